//! What the coordinator asks of the cluster's metadata.

use std::sync::Arc;

use crate::base::TopicId;

/// A topic as assignors see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicView {
    pub id: TopicId,
    /// How many partitions it has; they are numbered from 0.
    pub partitions: i32,
}

/// The topics of the cluster at one moment; given with each event that may assign.
pub trait Topics {
    /// Differs from every earlier one where anything may have changed; counted by the host, from 1.
    fn version(&self) -> u64;
    fn topic(&self, name: &str) -> Option<TopicView>;
    /// All names, in order.
    fn names(&self) -> Vec<Arc<str>>;
}
