//! Vocabulary of the whole engine: ids, limits, errors and configuration.

pub mod config;
pub mod descriptors;
pub mod egress;
pub mod error;
pub mod ids;
pub mod limits;
pub mod measure;
pub mod pace;
pub mod pattern;
pub mod timestamps;

pub use error::Corrupt;
pub use ids::{
    BrokerId, Durability, LeaderEpoch, Offset, PartitionIndex, PartitionKey, Position, ProducerEpoch,
    ProducerId, Sequence, ShardIndex, TimestampMs, TopicId,
};
pub use timestamps::TimestampType;
