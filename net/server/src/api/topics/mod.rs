//! Topics: their creation, change, deletion and description.

pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod creation;
pub(crate) mod delete_topics;
pub(crate) mod describe_topic_partitions;
pub(crate) mod metadata;
pub(crate) mod mutations;
