//! Changes of the metadata.

use millrace_core::base::ids::{LeaderEpoch, Offset};
use thiserror::Error;

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
