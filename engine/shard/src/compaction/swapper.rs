//! Puts a compacted segment into the place of others: first in the journal and in memory, in one step,
//! then on disk.
//!
//! The new file is whole and hard under a name of its own before a frame names it. A crash before that frame
//! is hard leaves the old segments, and a file that nobody knows; behind it the start gives the new file its
//! name and removes the others. No checkpoint is taken in between: it would make the frame needless.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, Position};
use millrace_core::journal::{APPEND_HEAD_BYTES, CompactedSegment, Entry, FrameSequence, Purpose};
use millrace_core::log::SegmentName;
use millrace_rt::fs;

use crate::api::Planted;
use crate::checkpoint::hold::CheckpointHold;
use crate::commit::queue::Commit;
use crate::compaction::compacted_file::{CompactedFile, GivenUp};
use crate::compaction::state::Compaction;
use crate::device::fatal::Fatal;
use crate::device::open_files::OpenFile;
use crate::device::planted::PlantedFault;
use crate::directory::layout::{index_file, segment_file};
use crate::files::deleting::FileDeletion;
use crate::files::doomed::DELETED_FILE_SUFFIX;
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::{TailFlusher, begin_writing};
use crate::partition::segment::{Segment, Stage};
use crate::partition::state::{LogPosition, Partition, PartitionRef};

/// One entry, and what an append's is reckoned with.
const ENTRY_BYTES_MAX: usize = 2 * APPEND_HEAD_BYTES;
/// Room in the journal comes with a write or a cleaning; only the former always wakes those who wait.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// What a swap has taken out of a log, and what it has to give a name.
struct SealedSwap {
    frame: FrameSequence,
    new: CompactedSegment,
    gone: Vec<Offset>,
    /// Held open: nobody finds it by its name yet.
    _file: Rc<OpenFile>,
}

/// Swaps segments of one shard. One log is compacted at a time.
pub(crate) struct Swapper {
    pub(crate) compaction: Rc<Compaction>,
    pub(crate) hold: Rc<CheckpointHold>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) deletion: Rc<FileDeletion>,
    pub(crate) planted: PlantedFault,
    pub(crate) fatal: Fatal,
}

impl Swapper {
    /// Puts the file into the place of the segments that begin with `bases` and end at `end`.
    pub(crate) async fn swap(
        &self,
        partition: &PartitionRef,
        bases: &[Offset],
        end: Offset,
        file: CompactedFile,
    ) -> Result<(), GivenUp> {
        let old: Vec<(Offset, u64)> = {
            let partition = partition.borrow();
            bases.iter().map(|base| (*base, partition.segment_at(*base).number)).collect()
        };
        // As a write does: neither an index is written meanwhile nor a file removed,
        // and the directory stays the topic's.
        for base in bases {
            while !begin_writing(partition, *base) {
                self.flusher.queue.wrote.wait().await;
            }
        }
        let totals = file.output.totals();
        let outcome = self.swap_held(partition, &old, end, file).await;
        bases.iter().for_each(|base| self.flusher.end_writing(partition, *base));
        if outcome.is_ok() {
            let counts = &self.compaction.counts;
            counts.bytes.records_dropped.add(totals.records_dropped);
            counts.bytes.replaced.add(totals.bytes_in);
            counts.bytes.replacing.add(totals.bytes_out);
        }
        outcome
    }

    async fn swap_held(
        &self,
        partition: &PartitionRef,
        old: &[(Offset, u64)],
        end: Offset,
        file: CompactedFile,
    ) -> Result<(), GivenUp> {
        if !still_has(&partition.borrow(), old) {
            file.remove().await;
            return Err(GivenUp::Overtaken);
        }
        let dir = self.files.partition_dir(partition);
        if let Err(error) = self.prepare_swap(partition, &dir, old).await {
            file.remove().await;
            return Err(error.into());
        }
        let (path, mut file) = (file.path.clone(), Some(file));
        let sealed = loop {
            if self.compaction.shutdown.is_asked() || !still_has(&partition.borrow(), old) {
                break None;
            }
            if self.commit.room(Purpose::Append) >= ENTRY_BYTES_MAX
                && let Some(sealed) = self.seal_swap(partition, old, end, &mut file)
            {
                break Some(sealed);
            }
            millrace_rt::timeout(ROOM_WAIT, self.commit.signals.hardened.wait()).await;
        };
        let Some(sealed) = sealed else {
            if let Some(file) = file {
                file.remove().await;
            }
            return Err(GivenUp::Overtaken);
        };
        self.commit.until_hard(sealed.frame).await;
        if let Err(error) = self.give_name(partition, &dir, &path, &sealed).await {
            self.fatal.end(format!("a compacted segment could not be given its name: {error}")).await;
        }
        self.hold.free();
        self.files.indexes.keep(partition, sealed.new.segment);
        Ok(())
    }

    /// Indexes go before what they tell of; that and the new file's name survive a power loss.
    async fn prepare_swap(
        &self,
        partition: &PartitionRef,
        dir: &Path,
        old: &[(Offset, u64)],
    ) -> io::Result<()> {
        for (base, _) in old {
            match fs::remove_file(&index_file(dir, *base)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            if let Some(segment) = partition.borrow_mut().segment_mut(*base) {
                segment.index_stored = 0;
            }
        }
        fs::sync_dir(dir).await
    }

    /// One step without a wait: the partition, the journal and what a checkpoint would say stay in agreement.
    fn seal_swap(
        &self,
        shared: &PartitionRef,
        old: &[(Offset, u64)],
        end: Offset,
        file: &mut Option<CompactedFile>,
    ) -> Option<SealedSwap> {
        let (base, key) = (old.first()?.0, shared.borrow().key);
        let new = {
            let file = file.as_ref()?;
            CompactedSegment {
                segment: base,
                end,
                length: Position(file.length()),
                max_timestamp: file.output.max_timestamp(),
                number: file.number,
            }
        };
        let entries: [Entry<Vec<Bytes>>; 1] = [Entry::Compact { key, new }];
        let frame = match self.planted.get() {
            Some(Planted::ForgetsSwaps) => self.commit.sealed_sequence(),
            _ => self.commit.seal_upkeep(&entries)?,
        };
        let file = file.take()?;
        self.hold.take();
        let mut segment = Segment::on_disk(base, new.length.0, Stage::Finished);
        (segment.number, segment.max_timestamp) = (new.number, new.max_timestamp);
        (segment.index, segment.file.writing) = (file.index, true);
        let held = self.files.open_files.put(&mut segment.file.slot, file.file);
        let mut partition = shared.borrow_mut();
        let freed = put_compacted(&mut partition, &new, segment);
        drop(partition);
        self.flusher.tails_shrank(freed);
        let gone = old.iter().skip(1).map(|(base, _)| *base).collect();
        Some(SealedSwap { frame, new, gone, _file: held })
    }

    /// What was there under the new file's name goes as other deleted segments do: who has it open reads on.
    async fn give_name(
        &self,
        partition: &PartitionRef,
        dir: &Path,
        path: &Path,
        sealed: &SealedSwap,
    ) -> io::Result<()> {
        let delay = partition.borrow().config.file_delete_delay_ms;
        let delay = Duration::from_millis(u64::try_from(delay).unwrap_or(0));
        let name = segment_file(dir, sealed.new.segment);
        let aside = old_file(dir, sealed.new.segment, sealed.new.number);
        fs::rename(&name, &aside).await?;
        fs::rename(path, &name).await?;
        self.deletion.doom_aside(aside, delay);
        for base in &sealed.gone {
            self.deletion.doom(segment_file(dir, *base), delay).await;
        }
        fs::sync_dir(dir).await
    }
}

/// What a segment's file is called between its own name and its end.
fn old_file(dir: &Path, base: Offset, number: u64) -> PathBuf {
    dir.join(SegmentName::new(base).with_suffix(&format!(".log.{number}{DELETED_FILE_SUFFIX}")))
}

/// Whether these are segments of the log, the same as they were.
fn still_has(partition: &Partition, old: &[(Offset, u64)]) -> bool {
    let has = |(base, number): &(Offset, u64)| {
        !partition.is_going(*base) && partition.segment_at(*base).number == *number
    };
    let is_there = |(base, _): &(Offset, u64)| {
        partition.segments.binary_search_by_key(base, |segment| segment.base).is_ok()
    };
    !partition.is_removed() && old.iter().all(|it| is_there(it) && has(it))
}

/// Takes in a segment in the place of others; returns the memory that this frees.
fn put_compacted(partition: &mut Partition, new: &CompactedSegment, segment: Segment) -> usize {
    assert!(new.end <= partition.ends.high_watermark, "only what readers see is compacted");
    // Their bytes are released, and so are those before them.
    partition.forget_released_marks();
    let from = partition.segments.partition_point(|segment| segment.base < new.segment);
    let to = partition.segments.partition_point(|segment| segment.base < new.end);
    let gone: Vec<Segment> = partition.segments.splice(from..to, [segment]).collect();
    if new.replaces(partition.ends.visible.segment) {
        partition.ends.visible = LogPosition { segment: new.end, position: 0 };
    }
    partition.check();
    gone.into_iter().map(|mut segment| segment.tail.release_all()).sum()
}
