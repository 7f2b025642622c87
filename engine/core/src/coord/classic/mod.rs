//! Classic groups: members join, a leader assigns, everybody fetches its assignment.

mod conversion;
mod counting;
mod expiry;
mod group;
mod held;
mod invariants;
mod join;
mod leave;
mod member;
mod persistence;
mod protocols;
mod rebalance;
mod replacement;
mod session;
mod state;
mod sync;

pub(in crate::coord) use group::ClassicGroup;
pub(in crate::coord) use member::{Member, SyncDuty, Tenure, kept};
pub(in crate::coord) use protocols::ProtocolCounts;
pub use state::GroupState;
