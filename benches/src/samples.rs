//! Batches and rules as a producer and a topic with default settings have them.

use millrace_core::base::{PartitionIndex, PartitionKey, TimestampMs, TopicId};
use millrace_core::log::validate::Compacted;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec, TimestampType, Validation, ValidationRules};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);
const VALUE_BYTES: usize = 1024;

/// A batch of so many records of 1 KiB, uncompressed: 63 of them are just below 64 KiB.
pub fn batch_of(records: usize) -> Vec<u8> {
    let value = [0x5a; VALUE_BYTES];
    let mut builder = BatchBuilder::new(Codec::None);
    for _ in 0..records {
        builder.push(BatchRecord::of_value(NOW, &value));
    }
    builder.build()
}

/// The defaults of a topic and of today's producers.
pub fn rules(validation: Validation) -> ValidationRules {
    ValidationRules {
        now: NOW,
        validation,
        max_message_bytes: 1_048_588,
        segment_bytes: 1 << 30,
        compacted: Compacted::No,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        produce_version: 12,
    }
}

pub fn key(partition: i32) -> PartitionKey {
    PartitionKey::new(TopicId([7; 16]), PartitionIndex(partition))
}
