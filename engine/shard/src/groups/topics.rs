//! The cluster's topics as coordinators see them.

use std::sync::Arc;

use millrace_core::coord::{TopicView, Topics};
use millrace_core::meta::MetadataImage;

/// An image of the metadata and its number, counted by the shard.
pub(super) struct ClusterTopics {
    pub(super) image: Arc<MetadataImage>,
    pub(super) version: u64,
}

impl Topics for ClusterTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicView> {
        let topic = self.image.topic(name)?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        Some(TopicView { id: topic.id, partitions })
    }

    fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.image.topics().map(|topic| Arc::clone(&topic.name)).collect();
        names.sort_unstable();
        names
    }
}
