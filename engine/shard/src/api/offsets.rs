//! Offsets that are looked up, and records that are deleted by offset.

use millrace_core::base::ids::{LeaderEpoch, Offset, PartitionKey, TimestampMs};
use thiserror::Error;

use crate::api::Isolation;

/// What `ListOffsets` may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The next offset to be written (the last stable one under read_committed).
    Latest,
    Earliest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first record whose timestamp is not below this.
    AtTime(TimestampMs),
}

/// The result of an [`OffsetQuery`]; `Offset::NONE` where no record matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub leader_epoch: LeaderEpoch,
}

/// One partition of `list_offsets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetAsk {
    pub key: PartitionKey,
    pub query: OffsetQuery,
    pub isolation: Isolation,
    pub current_leader_epoch: Option<LeaderEpoch>,
}

/// One partition of `offset_for_leader_epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochAsk {
    pub key: PartitionKey,
    pub current_leader_epoch: Option<LeaderEpoch>,
    pub leader_epoch: LeaderEpoch,
}

/// The largest epoch not above the asked one and where it ends; both -1 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    pub leader_epoch: LeaderEpoch,
    pub end_offset: Offset,
}

/// One partition of `delete_records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteRecordsAsk {
    pub key: PartitionKey,
    /// The new start of the log; `None`: the high watermark.
    pub before: Option<Offset>,
}

/// Why records were not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeleteRecordsError {
    #[error("this node does not host the partition")]
    UnknownPartition,
    #[error("the offset is negative or above the high watermark")]
    OffsetOutOfRange,
    #[error("records of a topic that is only compacted are not deleted by offset")]
    OnlyCompacted,
}
