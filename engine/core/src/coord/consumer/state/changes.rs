//! What of a consumer group has changed since its records were last taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::coord::ids::MemberId;

/// A record by its key. Values are written in this order, as Kafka does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::coord::consumer) enum Change {
    Member(MemberId),
    Pattern(Arc<str>),
    Epoch,
    Target(MemberId),
    TargetEpoch,
    Current(MemberId),
}

/// Keys whose record is to be written.
pub(in crate::coord::consumer) type Changes = BTreeSet<Change>;
