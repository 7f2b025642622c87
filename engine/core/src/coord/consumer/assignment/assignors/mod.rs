//! Assignors of the broker: who is to own which partition.

mod assign;
mod range;
mod subscriber;
mod uniform;

pub(super) use assign::assign;
pub(super) use subscriber::Subscriber;
