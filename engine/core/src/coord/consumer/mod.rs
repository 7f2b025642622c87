//! Groups of the consumer protocol (KIP-848): the coordinator assigns, members reconcile one by one.

mod admission;
mod assignors;
mod changes;
pub(in crate::coord) mod checks;
mod classic_join;
mod classic_members;
mod classic_session;
mod counting;
mod fetching;
mod group;
mod heartbeat;
mod held;
mod invariants;
mod leave;
mod makeup;
mod member;
mod pattern;
mod persistence;
mod reconcile;
mod subscription;
mod takeover;
mod target;
mod watching;

pub(in crate::coord) use counting::growth_of_beat;
pub(in crate::coord) use group::ConsumerGroup;

pub(in crate::coord) use member::ConsumerMember;
