//! Fetches: what a consumer asks for, and what it gets.

use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::ids::{LeaderEpoch, Offset, PartitionKey};
use thiserror::Error;

/// Which records a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

/// Fetch of several partitions under one byte budget.
#[derive(Debug, Clone)]
pub struct FetchQuery {
    pub partitions: Vec<FetchPartition>,
    /// How long to wait for `min_bytes`.
    pub max_wait: Duration,
    pub min_bytes: usize,
    /// Budget of the whole response; the first batch comes even if it is larger (KIP-74).
    pub max_bytes: usize,
    pub isolation: Isolation,
}

/// Where to read one partition from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    pub key: PartitionKey,
    pub offset: Offset,
    pub max_bytes: usize,
    /// The epoch the reader believes in; an older one is fenced, a newer one unknown.
    pub current_leader_epoch: Option<LeaderEpoch>,
}

/// Answer for one partition of a [`FetchQuery`], in its order.
#[derive(Debug, Clone)]
pub struct FetchedPartition {
    pub result: Result<Fetched, FetchError>,
}

/// Whole batches, as they lie in the log, from the one that holds the asked offset.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    pub records: Vec<Bytes>,
    /// Memory that is not free while the records are held:
    /// a batch keeps the whole chunk or page that it lies in.
    pub held_bytes: u64,
    /// What a batch that did not fit left of the limit:
    /// a reader that waits for no more than these bytes has them.
    pub unfilled_bytes: usize,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
}

/// Why a partition cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    #[error("this node does not host the partition")]
    UnknownPartition,
    #[error("the offset is below the log's start or above its end")]
    OffsetOutOfRange,
    #[error("the reader's leader epoch is older than the partition's")]
    FencedLeaderEpoch,
    #[error("the reader's leader epoch is newer than the partition's")]
    UnknownLeaderEpoch,
    #[error("the disk could not be read")]
    Storage,
    #[error("the log holds a batch that does not match its checksum or frame")]
    Corrupt,
    /// A client that asked for a record never gets this.
    #[error("the segment was compacted while it was read")]
    Compacted,
}
