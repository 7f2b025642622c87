//! Groups of the consumer protocol (KIP-848): the coordinator assigns, members reconcile one by one.

mod assignment;
mod classic;
mod counting;
mod membership;
mod persistence;
mod state;
mod subscription;
mod timers;
mod watching;

pub(in crate::coord) use counting::growth_of_beat;
pub(in crate::coord) use membership::checks;
pub(in crate::coord) use state::group::ConsumerGroup;
pub(in crate::coord) use state::member::ConsumerMember;
