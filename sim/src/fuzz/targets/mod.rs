//! The targets, by what they read.

mod batch;
mod compression;
mod coord;
mod coord_load;
mod journal;
mod recovery;
mod state;
mod telemetry;
mod text;
mod wire;

pub(super) use batch::RECORD_BATCH;
pub(super) use compression::{GZIP, LZ4, SNAPPY, ZSTD};
pub(super) use coord::GROUP_RECORDS;
pub(super) use coord_load::GROUP_LOAD;
pub(super) use journal::JOURNAL_FRAME;
pub(super) use recovery::JOURNAL_RECOVERY;
pub(super) use state::{CHECKPOINT, MANIFEST, METADATA_LOG, OFFSET_INDEX};
pub(super) use telemetry::{PUSHED_METRICS, SUBSCRIPTIONS};
pub(super) use text::{CONFIG, NAMES, PROPERTIES, SIZES};
pub use wire::MESSAGE_MODULES;
pub(super) use wire::{FRAMES, MESSAGES, REQUESTS};
