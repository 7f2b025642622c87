//! Who sets the time of records.

/// Kafka's type of the same name: of a topic as `message.timestamp.type` configures it, and of a batch as its
/// attributes say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer, for each record.
    CreateTime,
    /// The broker, when it appends, once for the batch.
    LogAppendTime,
}
