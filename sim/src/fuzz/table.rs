//! Every target by its name.

use super::planted::PLANTED;
use super::target::Target;
use super::targets::*;

/// All of them, in the order in which they run.
pub static TARGETS: &[Target] = &[
    RECORD_BATCH,
    GZIP,
    SNAPPY,
    LZ4,
    ZSTD,
    JOURNAL_FRAME,
    JOURNAL_RECOVERY,
    CHECKPOINT,
    MANIFEST,
    METADATA_LOG,
    OFFSET_INDEX,
    GROUP_RECORDS,
    GROUP_LOAD,
    MESSAGES,
    REQUESTS,
    FRAMES,
    PROPERTIES,
    CONFIG,
    SIZES,
    NAMES,
    SUBSCRIPTIONS,
    PUSHED_METRICS,
];

/// The target of this name; the planted ones have names, too.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain(PLANTED).find(|target| target.name == name)
}
