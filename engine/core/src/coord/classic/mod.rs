//! Classic groups: members join, a leader assigns, everybody fetches its assignment.

mod conversion;
mod counting;
mod group;
mod held;
mod member;
mod membership;
mod persistence;
mod protocols;
mod rebalance;
mod state;
mod sync;

pub(in crate::coord) use group::ClassicGroup;
pub(in crate::coord) use member::{Member, SyncDuty, Tenure, kept};
pub(in crate::coord) use protocols::ProtocolCounts;
pub use state::GroupState;
