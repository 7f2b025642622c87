//! What an engine is made of, and why it does not open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_core::base::config::BrokerConfig;
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
