//! What of a consumer group the log does not hold yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::coord::ids::MemberId;

/// A record by its key. Values are written in this order, as Kafka does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Member(MemberId),
    Pattern(Arc<str>),
    Epoch,
    Target(MemberId),
    TargetEpoch,
    Current(MemberId),
}

/// Keys whose record is to be written: what has changed, and what a write that failed was to change. Their values are
/// those of the moment of writing, so a failed write is made good by the next.
pub(super) type Changes = BTreeSet<Change>;
