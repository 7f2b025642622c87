//! Types of the service surface: what a caller asks of a shard and what it is answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::{LeaderEpoch, Offset, PartitionKey, TimestampMs};
use millrace_core::log::{BatchFault, ProducerFault};
use millrace_core::meta::Endpoint;
use thiserror::Error;

/// What one engine needs to know before it opens anything.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Holds topics, metadata and, unless `journal_dir` says otherwise, the journal.
    pub data_dir: PathBuf,
    /// Another disk for the journal (`millrace.journal.dir`).
    pub journal_dir: Option<PathBuf>,
    /// The tmpfs of the journal's ring (`millrace.shm.dir`).
    pub shm_dir: PathBuf,
    /// Bytes of journal per shard (`millrace.journal.bytes`).
    pub journal_bytes: u64,
    /// Memory budget of the process.
    pub memory_bytes: u64,
    /// The broker's configuration as it was at the start.
    pub broker: Arc<BrokerConfig>,
    /// Where clients reach this node; registered in the metadata.
    pub endpoints: Vec<Endpoint>,
    /// How many shards this process has.
    pub shards: u16,
}

/// A fault that a test plants to see that it is caught. Never set by a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Appends of `power` topics are answered when their frame is sealed, as if it were on the device.
    AnswersTooEarly,
    /// Extents go to their segment without being hardened there.
    TrustsSoftExtents,
    /// Files made ahead of what is written to them count as hard.
    TrustsSoftFiles,
    /// What was written to few segment files counts as hard.
    TrustsSoftSegments,
    /// Deletions of topics are not written to the metadata log.
    ForgetsDeletions,
    /// Partitions that topics get later are not written to the metadata log.
    ForgetsPartitions,
    /// Changes of quotas are answered, and not written to the metadata log.
    ForgetsQuotas,
    /// Changes of features' levels are answered, and not written to the metadata log.
    ForgetsFeatures,
    /// Files of deleted topics stay where they are.
    KeepsDeletedFiles,
    /// Logs begin later without a word in the journal.
    ForgetsLogStarts,
    /// Compacted segments take the place of others without a word in the journal.
    ForgetsSwaps,
    /// A journal write that failed counts as done.
    TrustsFailedWrites,
    /// Appends are admitted however little space there is.
    IgnoresReserve,
    /// What a full disk did not take counts as written.
    TrustsFullDisk,
    /// What groups write counts as stored, and is not.
    ForgetsGroupWrites,
    /// What a consumer group could not write counts as stored.
    TrustsFailedGroupWrites,
    /// All members of a generation get the same assignment.
    GivesAllTheSame,
    /// Commits count as those of a member that is in the group now.
    TrustsOldGenerations,
    /// No member is ever silent for too long.
    IgnoresGroupTimeouts,
}

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
    /// Budget of the whole answer; the first batch comes even if it is larger (KIP-74).
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
    /// Memory that is not free while the records are held: a batch keeps the whole chunk or page that it lies in.
    pub held_bytes: u64,
    /// What a batch that did not fit left of the limit: a reader that waits for so many bytes more has them.
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
    /// Whoever asked for a record never gets this.
    #[error("the segment was compacted while it was read")]
    Compacted,
}

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

/// Which offset answers an [`OffsetQuery`]; `Offset::NONE` where no record matches.
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

/// How far the metadata log is. One node leads it alone, and its changes count as soon as they are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataQuorum {
    /// Counts its leaders.
    pub leader_epoch: LeaderEpoch,
    /// The entry that the next change will be.
    pub end_offset: Offset,
}

/// Whether a change is carried out or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidateOnly {
    Yes,
    No,
}

/// The disk did not take what had to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the disk did not take what had to be stored")]
pub struct StorageError;

/// Why an engine did not open; each says what to do.
#[derive(Debug, Clone, Error)]
pub enum OpenError {
    #[error("the data directory {0} is used by another process; stop it or choose another --data-dir")]
    InUse(PathBuf),
    #[error("cannot {action} {path}: {reason}")]
    Io { action: &'static str, path: PathBuf, reason: String },
    #[error(
        "{} is corrupt: {reason}; acknowledged records would be lost, so the broker does not start; `millrace storage \
         verify {}` says what is damaged and what could be saved", file.display(), data_dir.display()
    )]
    CorruptJournal { file: PathBuf, reason: String, data_dir: PathBuf },
    /// Something that other files vouch for is not there, or not whole.
    #[error(
        "{}: {what}; acknowledged records would be lost, so the broker does not start; `millrace storage verify {}` \
         says what is damaged and what could be saved", file.display(), data_dir.display()
    )]
    Missing { file: PathBuf, what: String, data_dir: PathBuf },
    #[error("{0} is corrupt: {1}; `millrace storage verify` on the data directory says what could be saved")]
    Corrupt(PathBuf, String),
    #[error(
        "{} is on another file system than the directory that it is in, and would not be hardened with it; move it there, or \
         put all of topics/ on that file system", .0.display()
    )]
    Elsewhere(PathBuf),
    #[error(
        "durability `process` needs a tmpfs at {0} ({1}); set millrace.shm.dir or use durability `power`"
    )]
    NoSharedMemory(PathBuf, String),
    #[error("{0}")]
    Settings(String),
}

impl OpenError {
    pub(crate) fn io(action: &'static str, path: &Path, error: &std::io::Error) -> OpenError {
        OpenError::Io { action, path: path.to_path_buf(), reason: error.to_string() }
    }
}
