//! Writes a shard's checkpoint: what its partitions were when the journal's older frames were no longer
//! needed.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::ShardIndex;
use millrace_core::journal::{
    BootNonce, FrameSequence, PartitionCheckpoint, ProducerCheckpoint, SegmentFacts, ShardCheckpoint,
};
use millrace_rt::{File, OpenOptions, Sync, fs};

use crate::checkpoint::hold::CheckpointHold;
use crate::checkpoint::index_store::IndexStore;
use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::device::fatal::Fatal;
use crate::device::space::RETRY_FULL;
use crate::device::space::Space;
use crate::directory::layout::checkpoint_file;
use crate::files::indexes::due_indexes;
use crate::partition::segment::{Segment, Stage};
use crate::partition::state::Partition;
use crate::partition::table::Table;

/// Writes the checkpoints of one shard, one at a time.
pub(crate) struct CheckpointWriter {
    pub(crate) shard: ShardIndex,
    pub(crate) boot: BootNonce,
    pub(crate) dir: PathBuf,
    /// Of the newest.
    pub(crate) number: Cell<u64>,
    pub(crate) hold: Rc<CheckpointHold>,
    pub(crate) table: Rc<Table>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) indexes: Rc<IndexStore>,
    pub(crate) space: Rc<Space>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) fatal: Fatal,
}

impl CheckpointWriter {
    /// Stores the state of all partitions as of now, to be continued by the frames from `replay_from` on.
    /// Returns once it is durable. A full disk is waited out: the checkpoint before this one stays valid, and
    /// no slot is reused meanwhile. Any other failure ends the process.
    pub(crate) async fn write(&self, replay_from: FrameSequence) {
        self.hold.until_free().await;
        let sealed = self.commit.sealed_sequence();
        let number = self.number.get() + 1;
        self.number.set(number);
        let all = self.table.all();
        let partitions = all.iter().map(|partition| checkpoint(&partition.borrow())).collect();
        let indexes = all.iter().flat_map(due_indexes).collect();
        let checkpoint = ShardCheckpoint {
            shard: self.shard,
            boot: self.boot,
            number,
            replay_from,
            through: sealed,
            partitions,
        };
        let encoded = checkpoint.encode();
        // What the checkpoint knows of appends must not outlive them.
        self.commit.until_hard(sealed).await;
        let path = checkpoint_file(&self.dir, number);
        let encoded = Bytes::from(encoded);
        self.space.checkpoint_bytes.set(encoded.len() as u64);
        let mut waits = false;
        while let Err(error) = self.store(&path, number, encoded.clone()).await {
            if error.kind() != io::ErrorKind::StorageFull {
                self.fatal
                    .end(format!("the checkpoint {} could not be written: {error}", path.display()))
                    .await;
            }
            if !std::mem::replace(&mut waits, true) {
                tracing::warn!(path = %path.display(), "the disk is full; a checkpoint waits for space");
                self.space.disk_is_full();
            }
            self.counters.segments.full_disk_waits.increment();
            millrace_rt::sleep(RETRY_FULL).await;
        }
        if waits {
            self.space.disk_has_space();
        }
        self.counters.journal.checkpoints.increment();
        self.indexes.due.replace(indexes);
    }

    async fn store(&self, path: &Path, number: u64, encoded: Bytes) -> io::Result<()> {
        let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
        let file = File::open(path, options).await?;
        file.write_all_at(0, encoded, Sync::Dsync).await?;
        if number <= 2 {
            fs::sync_dir(&self.dir).await?;
        }
        Ok(())
    }
}

fn checkpoint(partition: &Partition) -> PartitionCheckpoint {
    let (segments, position) = durable_segments(partition);
    PartitionCheckpoint {
        topic: partition.key.topic.0,
        partition: partition.key.partition.0,
        // What is sealed is hard before the checkpoint is.
        log_start_offset: partition.ends.sealed_start.offset.0,
        segments,
        position,
        facts: partition.segments.iter().map(facts).collect(),
        log_end_offset: partition.ends.log_end_offset.0,
        high_watermark: partition.ends.high_watermark.0,
        epochs: partition
            .history
            .epochs
            .entries()
            .iter()
            .map(|entry| (entry.epoch.0, entry.start.0))
            .collect(),
        producers: partition.history.producers.snapshot().iter().map(ProducerCheckpoint::from).collect(),
    }
}

/// Base offsets of the segments up to the first whose bytes are not all hard in its file, or whose file may
/// be longer than it, and how many of its bytes are hard. The journal tells what follows.
fn durable_segments(partition: &Partition) -> (Vec<i64>, u64) {
    let mut segments = Vec::new();
    for segment in partition.segments.iter().filter(|segment| !partition.is_going(segment.base)) {
        segments.push(segment.base.0);
        let open = segment.stage != Stage::Active && !segment.is_exact();
        if open || segment.file.released < segment.length() {
            return (segments, segment.file.released);
        }
    }
    (segments, partition.active().file.released)
}

fn facts(segment: &Segment) -> SegmentFacts {
    SegmentFacts {
        base: segment.base.0,
        length: segment.length(),
        max_timestamp: segment.max_timestamp.0,
        indexed: segment.index_stored,
    }
}
