//! A partition's log: batches, records, segments, indexes, epochs and producer windows.

mod batches;
pub mod compaction;
pub mod epochs;
pub mod index;
pub mod producers;
pub mod retention;
pub mod scan;
pub mod search;
pub mod segments;

pub use crate::base::timestamps::TimestampType;
pub use batches::batch::{Attributes, Batch, BatchHeader, BatchWalk, HeaderBytes};
pub use batches::builder::{BatchBuilder, BatchRecord};
pub use batches::compression::{Codec, decompress};
pub use batches::fault::{BatchFault, RecordError, RecordErrors};
pub use batches::validate::{ValidBatch, Validation, ValidationRules, validate, validate_within};
pub use batches::{batch, builder, compression, fault, recompress, records, validate};
pub use epochs::{EpochEntry, EpochLineage};
pub use index::{Noted, OffsetIndex, Summed};
pub use producers::{ProducerBatch, ProducerFault, ProducerVerdict, ProducerWindows};
pub use retention::{Expired, RetainedLog, RetentionRules};
pub use scan::{Scanned, SegmentScan, StoredFault, StoredSum, check_place, check_stored};
pub use segments::{SegmentList, SegmentName};
