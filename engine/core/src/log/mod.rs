//! A partition's log: batches, records, segments, indexes, epochs and producer windows.

pub mod batch;
pub mod builder;
pub mod compaction;
pub mod compression;
pub mod epochs;
pub mod fault;
pub mod index;
pub mod producers;
pub mod recompress;
pub mod records;
pub mod retention;
pub mod scan;
pub mod search;
pub mod segments;
pub mod validate;
mod walk;

pub use batch::{Attributes, Batch, BatchHeader, BatchWalk, HeaderBytes, TimestampType};
pub use builder::{BatchBuilder, BatchRecord};
pub use compression::{Codec, decompress};
pub use epochs::{EpochEntry, EpochLineage};
pub use fault::{BatchFault, RecordError, RecordErrors};
pub use index::{Noted, OffsetIndex, Summed};
pub use producers::{ProducerBatch, ProducerFault, ProducerVerdict, ProducerWindows};
pub use retention::{Expired, RetainedLog, RetentionRules};
pub use scan::{Scanned, SegmentScan, StoredFault, StoredSum, check_place, check_stored};
pub use segments::{SegmentList, SegmentName};
pub use validate::{ValidBatch, Validation, ValidationRules, validate, validate_within};
