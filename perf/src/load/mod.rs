//! The load generator: producers that send at intended moments and consumers that read as fast as they can,
//! on sockets that never block, driven by few threads.

mod committer;
mod consumer;
mod group;
mod lane;
mod payload;
mod producer;
mod run;
mod schedule;
mod socket;
mod sockets;
#[cfg(test)]
mod stall;
mod tally;
mod watch;
mod worker;

pub(crate) use committer::CommitLoad;
pub(crate) use consumer::{AtEnd, ConsumeLoad, Counted};
pub(crate) use group::Group;
pub(crate) use payload::{BatchShape, records_in_batch};
pub(crate) use producer::ProduceLoad;
pub(crate) use run::{Outcome, Run};
pub(crate) use schedule::{Rate, Span};
pub(crate) use tally::Tally;
pub(crate) use watch::{BrokerUse, Progress, Quiet};
