//! Fetch sessions: what clients do not have to repeat in every fetch.

mod cache;
mod partitions;
#[cfg(test)]
mod tests;

pub(crate) use cache::{
    Ask, Begun, FINAL_EPOCH, FetchSession, InResponse, Metadata, NO_SESSION, Naming, Read, SessionCache,
    SessionFault,
};
pub(crate) use partitions::{PartitionRef, Told, TopicRef, WantedPartition};
