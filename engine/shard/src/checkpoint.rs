//! Writes a shard's checkpoint: what its partitions were when the journal's older frames were no longer needed.

use std::io;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::journal::{
    FrameSequence, PartitionCheckpoint, ProducerCheckpoint, SegmentFacts, ShardCheckpoint,
};
use millrace_rt::{File, OpenOptions, Sync, fs};

use crate::flusher::RETRY_FULL;
use crate::indexes::due_indexes;
use crate::layout::checkpoint_file;
use crate::partition::Partition;
use crate::segment::{Segment, Stage};
use crate::shard::Core;

impl Core {
    /// Stores the state of all partitions as of now, to be continued by the frames from `replay_from` on. Returns
    /// once it is durable. A full disk is waited out: the checkpoint before this one stays valid, and no slot is reused
    /// meanwhile. Any other failure ends the process.
    pub(crate) async fn write_checkpoint(self: &Rc<Core>, replay_from: FrameSequence) {
        self.compaction.until_swapped().await;
        let sealed = self.commit.sealed_sequence();
        let number = self.checkpoint_number.get() + 1;
        self.checkpoint_number.set(number);
        let all = self.table.all();
        let partitions = all.iter().map(|partition| partition.borrow().checkpoint()).collect();
        let indexes = all.iter().flat_map(due_indexes).collect();
        let checkpoint = ShardCheckpoint {
            shard: self.index,
            boot: self.boot,
            number,
            replay_from,
            through: sealed,
            partitions,
        };
        let encoded = checkpoint.encode();
        // What the checkpoint knows of appends must not outlive them.
        self.commit.until_hard(sealed).await;
        let path = checkpoint_file(&self.journal_dir, number);
        let encoded = Bytes::from(encoded);
        self.space.checkpoint_bytes.set(encoded.len() as u64);
        let mut waits = false;
        while let Err(error) = self.store_checkpoint(&path, number, encoded.clone()).await {
            if error.kind() != io::ErrorKind::StorageFull {
                self.fail(format!("the checkpoint {} could not be written: {error}", path.display())).await;
            }
            if !std::mem::replace(&mut waits, true) {
                tracing::warn!(path = %path.display(), "the disk is full; a checkpoint waits for space");
                self.disk_is_full();
            }
            self.counters.full_disk_waits.increment();
            millrace_rt::sleep(RETRY_FULL).await;
        }
        if waits {
            self.disk_has_space();
        }
        self.counters.checkpoints.increment();
        self.indexes_due.replace(indexes);
    }

    async fn store_checkpoint(&self, path: &Path, number: u64, encoded: Bytes) -> io::Result<()> {
        let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
        let file = File::open(path, options).await?;
        file.write_all_at(0, encoded, Sync::Dsync).await?;
        if number <= 2 {
            fs::sync_dir(&self.journal_dir).await?;
        }
        Ok(())
    }
}

impl Partition {
    fn checkpoint(&self) -> PartitionCheckpoint {
        let (segments, position) = self.durable_segments();
        PartitionCheckpoint {
            topic: self.key.topic.0,
            partition: self.key.partition.0,
            // What is sealed is hard before the checkpoint is.
            log_start: self.sealed_start.offset.0,
            segments,
            position,
            facts: self.segments.iter().map(facts).collect(),
            log_end: self.log_end.0,
            high_watermark: self.high_watermark.0,
            epochs: self.epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start.0)).collect(),
            producers: self.producers.snapshot().iter().map(ProducerCheckpoint::from).collect(),
        }
    }

    /// Base offsets of the segments up to the first whose bytes are not all hard in its file, or whose file may be
    /// longer than it, and how many of its bytes are hard. The journal tells what follows.
    fn durable_segments(&self) -> (Vec<i64>, u64) {
        let mut segments = Vec::new();
        for segment in self.segments.iter().filter(|segment| !self.is_going(segment.base)) {
            segments.push(segment.base.0);
            let open = segment.stage != Stage::Active && !segment.exact;
            if open || segment.released < segment.length() {
                return (segments, segment.released);
            }
        }
        (segments, self.active().released)
    }
}

fn facts(segment: &Segment) -> SegmentFacts {
    SegmentFacts {
        base: segment.base.0,
        length: segment.length(),
        max_timestamp: segment.max_timestamp.0,
        indexed: segment.index_stored,
    }
}
