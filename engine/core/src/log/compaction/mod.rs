//! Compaction of a log by key, as Kafka's `Cleaner` and `LogCleanerManager` decide it: when a log is due,
//! which records survive, and what becomes of their batches.

mod digest;
mod due;
mod key_map;
mod output;
mod rewrite;

pub use digest::{KEY_DIGEST_BYTES, KeyDigest};
pub use due::{CompactionRules, DirtyLog, DirtySegment, Reach, SegmentGroup, group_segments};
pub use key_map::{KEY_SLOT_BYTES, KeyMap, MapBuild, Mapped};
pub use output::{CleanedBatch, CompactedOutput, CompactionTotals};
pub use rewrite::{Outcome, Survival};
