//! Classic groups: members join, a leader assigns, everybody fetches its assignment.

mod expiry;
mod group;
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
pub(in crate::coord) use member::Member;
pub use state::GroupState;
