//! Where an engine keeps its files, below the data directory and below the journal directory.
//!
//! ```text
//! <data>/.lock                                   held while a process uses the directory
//! <data>/metadata/metadata.log                   topics, configurations, registrations
//! <data>/node                                    manifest: which journal generation is the valid one
//! <data>/topics/<topic>-<partition>/<offset>.log batches exactly as on the wire, 20 digits
//! <data>/topics/<topic>-<partition>/<offset>.mrindex  our sparse offset index, rebuilt when missing
//! <data>/topics/<topic>-<partition>/<offset>.start   empty: where the log begins, for a start that has no checkpoint
//! <data>/topics/<topic>-<partition>/<offset>.compacted  empty: up to where the log is compacted
//! <data>/topics/<topic>-<partition>/<offset>.log.<number>.cleaned  what segments become, until it takes their place
//! <data>/topics/<name>.unknown-at-<ms>           a directory that nothing knew when a start found it
//! <journal>/journal/<generation>/<shard>/slot-<n>        frames
//! <journal>/journal/<generation>/<shard>/checkpoint-<0|1>
//! <journal>/journal/.lock                                held as well: a copy may name the same journal directory
//! <shm>/millrace-<device>-<inode>-<node>-<generation>-<shard>  the ring that outlives the process; device and inode are
//!                                                of the data directory
//! ```

use std::path::{Path, PathBuf};

use millrace_core::base::ids::{Offset, PartitionIndex, PartitionKey, ShardIndex};
use millrace_core::log::SegmentName;
use millrace_core::meta::MetadataImage;
use millrace_rt::fs::FileIdentity;

/// Of our sparse offset index.
pub(crate) const INDEX_SUFFIX: &str = ".mrindex";
/// An index on its way; a crash may leave it.
pub(crate) const UNFINISHED_INDEX_SUFFIX: &str = ".mrindex.new";

/// Of the empty file whose name is the log's start.
pub(crate) const LOG_START_SUFFIX: &str = ".start";

/// Of the empty file whose name says up to where a log is compacted.
pub(crate) const COMPACTED_TO_SUFFIX: &str = ".compacted";

/// Kafka's, of what compaction writes.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";

/// Kafka's; no topic's directory ends so, since a partition number ends it.
pub(crate) const DELETED_SUFFIX: &str = "-delete";

/// Of a directory that nothing knows; behind it comes when that was, in milliseconds since 1970.
/// No topic's directory ends so.
pub(crate) const UNKNOWN_MARK: &str = ".unknown-at-";

/// Number of a journal generation; each start of the broker begins a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// The directories of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    data: PathBuf,
    journal: PathBuf,
    shm: PathBuf,
}

impl Layout {
    pub(crate) fn new(data: &Path, journal: Option<&Path>, shm: &Path) -> Layout {
        let journal = journal.unwrap_or(data).join("journal");
        Layout { data: data.to_path_buf(), journal, shm: shm.to_path_buf() }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.data.join(".lock")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.data.join("node")
    }

    pub(crate) fn metadata_dir(&self) -> PathBuf {
        self.data.join("metadata")
    }

    pub(crate) fn metadata_log(&self) -> PathBuf {
        self.metadata_dir().join("metadata.log")
    }

    pub(crate) fn topics(&self) -> PathBuf {
        self.data.join("topics")
    }

    pub(crate) fn partition(&self, topic: &str, partition: PartitionIndex) -> PathBuf {
        self.topics().join(format!("{topic}-{partition}"))
    }

    /// Where a deleted partition's directory goes until it is removed.
    pub(crate) fn put_aside(&self, key: PartitionKey) -> PathBuf {
        self.topics().join(format!("{key}{DELETED_SUFFIX}"))
    }

    /// What a directory is called from now on that nothing knows: it stays,
    /// and no start looks at it any more.
    pub(crate) fn unknown(&self, name: &str, now_ms: i64) -> PathBuf {
        self.topics().join(format!("{name}{UNKNOWN_MARK}{now_ms}"))
    }

    /// Where a directory goes that belonged to a topic deleted before the last crash; each start has a name
    /// of its own for it, since what an earlier one put aside may still be there.
    pub(crate) fn put_aside_deleted(&self, name: &str, start: Generation) -> PathBuf {
        self.topics().join(format!("{name}.{}{DELETED_SUFFIX}", start.0))
    }

    pub(crate) fn journals(&self) -> &Path {
        &self.journal
    }

    pub(crate) fn journal_lock(&self) -> PathBuf {
        self.journal.join(".lock")
    }

    pub(crate) fn generation(&self, generation: Generation) -> PathBuf {
        self.journal.join(generation.0.to_string())
    }

    pub(crate) fn shard(&self, generation: Generation, shard: ShardIndex) -> PathBuf {
        self.generation(generation).join(shard.to_string())
    }

    pub(crate) fn shm(&self) -> &Path {
        &self.shm
    }

    /// A ring that lies beside its journal: since no shared memory has room,
    /// or because it was saved from there.
    pub(crate) fn ring_beside(&self, generation: Generation, shard: ShardIndex) -> PathBuf {
        self.shard(generation, shard).join("ring")
    }
}

/// Of the files that the rings of a data directory have in shared memory. A copy of the directory has another
/// identity: it never takes a ring for its own.
pub(crate) fn ring_prefix(directory: FileIdentity) -> String {
    format!("millrace-{:x}-{:x}-", directory.device, directory.inode)
}

/// What follows the prefix.
pub(crate) fn ring_name(node: u64, generation: Generation, shard: ShardIndex) -> String {
    format!("{node:016x}-{}-{shard}", generation.0)
}

/// The partition whose directory has this name.
pub(crate) fn partition_of(image: &MetadataImage, directory: &str) -> Option<PartitionKey> {
    let (topic, number) = directory.rsplit_once('-')?;
    let topic = image.topic(topic)?;
    let index: u32 = number.parse().ok()?;
    let partition = topic.partitions.get(index as usize)?.index;
    (partition.to_string() == number).then_some(PartitionKey::new(topic.id, partition))
}

pub(crate) fn slot_file(shard_dir: &Path, slot: usize) -> PathBuf {
    shard_dir.join(format!("slot-{slot}"))
}

pub(crate) fn checkpoint_file(shard_dir: &Path, number: u64) -> PathBuf {
    shard_dir.join(format!("checkpoint-{}", number % 2))
}

pub(crate) fn segment_file(partition_dir: &Path, base: Offset) -> PathBuf {
    partition_dir.join(SegmentName::new(base).to_string())
}

pub(crate) fn unfinished_index_file(partition_dir: &Path, base: Offset) -> PathBuf {
    partition_dir.join(SegmentName::new(base).with_suffix(UNFINISHED_INDEX_SUFFIX))
}

pub(crate) fn index_file(partition_dir: &Path, base: Offset) -> PathBuf {
    partition_dir.join(SegmentName::new(base).with_suffix(INDEX_SUFFIX))
}

pub(crate) fn compacted_to_file(partition_dir: &Path, to: Offset) -> PathBuf {
    partition_dir.join(SegmentName::new(to).with_suffix(COMPACTED_TO_SUFFIX))
}

/// What the segment at `base` is to become, until it has that name.
pub(crate) fn compacted_file(partition_dir: &Path, base: Offset, number: u64) -> PathBuf {
    partition_dir.join(SegmentName::new(base).with_suffix(&format!(".log.{number}{CLEANED_SUFFIX}")))
}

pub(crate) fn log_start_file(partition_dir: &Path, start: Offset) -> PathBuf {
    partition_dir.join(SegmentName::new(start).with_suffix(LOG_START_SUFFIX))
}
