//! Appends: what a producer sends, and what becomes of it.

use bytes::Bytes;
use millrace_core::base::ids::{Offset, PartitionKey, TimestampMs};
use millrace_core::log::{BatchFault, ProducerFault};
use thiserror::Error;

/// One partition's part of a produce request.
#[derive(Debug, Clone)]
pub struct AppendPartition {
    pub key: PartitionKey,
    /// Exactly what the producer sent for the partition; a slice of its frame.
    pub records: Bytes,
    /// Version of the produce request: decides which codecs are allowed.
    pub produce_version: i16,
}

/// An append that will survive as its topic's durability says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    /// Set where the topic stamps its own time.
    pub log_append_time: Option<TimestampMs>,
    pub log_start_offset: Offset,
}

/// Why an append was refused; nothing was stored.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum AppendError {
    #[error("this node does not host the partition")]
    UnknownPartition,
    #[error(transparent)]
    Batch(#[from] BatchFault),
    #[error(transparent)]
    Producer(#[from] ProducerFault),
    #[error("transactions are not served")]
    Transactional,
    #[error("the end of the log could not be read back")]
    Storage,
    #[error("the disk has not kept up with the appends before")]
    Overdue,
    #[error("the shard remembers as many producers as its memory allows, and none of them is idle")]
    TooManyProducers,
    #[error("the disk has less free space, or fewer free inodes, than the broker keeps in reserve")]
    NoSpace,
}

/// What becomes of one append.
pub(crate) type Outcome = Result<Appended, AppendError>;
