//! Requests and responses between shards that are more than a list. Records cross as shared slices.

use std::time::Duration;

use millrace_core::base::ids::{Offset, PartitionKey, ShardIndex};

use crate::api::Milestones;
use crate::api::{FetchPartition, FetchedPartition, Outcome};

/// What became of the appends that one shard owns of a request.
pub(crate) struct AppendResponse {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) reached: Milestones,
}

/// Read of the partitions that one shard owns.
pub(crate) struct ReadRequest {
    pub(crate) partitions: Vec<FetchPartition>,
    /// Bytes that the response may hold.
    pub(crate) budget_bytes: usize,
    /// Whether the first batch comes even if it is larger than the budget.
    pub(crate) first: FirstBatch,
    /// With this many bytes the reader need not wait for more.
    pub(crate) enough_bytes: usize,
}

/// What was read, and how long that took.
pub(crate) struct ReadResponse {
    pub(crate) partitions: Vec<FetchedPartition>,
    pub(crate) took: Duration,
}

/// KIP-74: one partition has to give a batch, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstBatch {
    Always,
    WithinBudget,
}

/// A fetch that waits: the shard of its connection, and that shard's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DelayedFetchId {
    pub(crate) shard: ShardIndex,
    pub(crate) number: u64,
}

/// A fetch that waits until `bytes` more are visible in the partitions together.
pub(crate) struct DelayedFetchRequest {
    pub(crate) id: DelayedFetchId,
    /// Each with the high watermark that the reader has seen: an advance in between wakes it at once.
    pub(crate) partitions: Vec<(PartitionKey, Offset)>,
    pub(crate) bytes: usize,
}

/// Why a fetch does not wait any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Bytes are there, or a partition changed.
    Changed,
    /// It was not listed: the memory for fetches that wait is taken.
    NoRoom,
}
