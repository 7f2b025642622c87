//! Puts a compacted segment into the place of others: first in the journal and in memory, in one step, then on disk.
//!
//! The new file is whole and hard under a name of its own before a frame names it. A crash before that frame is hard leaves
//! the old segments, and a file that nobody knows; behind it the start gives the new file its name and removes the others.
//! No checkpoint is taken in between: it would make the frame needless.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, Position};
use millrace_core::journal::{APPEND_HEAD_BYTES, CompactedSegment, Entry, FrameSequence, Purpose};
use millrace_core::log::SegmentName;
use millrace_rt::fs;

use crate::api::{OpenError, Planted};
use crate::compacted_file::{CompactedFile, GivenUp};
use crate::doomed::DELETED_FILE_SUFFIX;
use crate::flush::begin_writing;
use crate::layout::{compacted_file, index_file, segment_file};
use crate::open_files::OpenFile;
use crate::partition::{LogPosition, Partition, PartitionRef};
use crate::segment::{Segment, Stage};
use crate::shard::Core;
use crate::vouching::length_if_there;

/// One entry, and what an append's is reckoned with.
const ENTRY_BYTES_MAX: usize = 2 * APPEND_HEAD_BYTES;
/// Room in the journal comes with a write or a cleaning; only the former always wakes those who wait.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// What a swap has taken out of a log, and what it has to give a name.
struct Sealed {
    frame: FrameSequence,
    new: CompactedSegment,
    gone: Vec<Offset>,
    /// Held open: nobody finds it by its name yet.
    _file: Rc<OpenFile>,
}

impl Core {
    /// Puts the file into the place of the segments that begin with `bases` and end at `end`.
    pub(crate) async fn swap(
        self: &Rc<Core>,
        partition: &PartitionRef,
        bases: &[Offset],
        end: Offset,
        file: CompactedFile,
    ) -> Result<(), GivenUp> {
        let old: Vec<(Offset, u64)> = {
            let partition = partition.borrow();
            bases.iter().map(|base| (*base, partition.segment_at(*base).number)).collect()
        };
        // As a write does: neither an index is written meanwhile nor a file removed, and the directory stays the topic's.
        for base in bases {
            while !begin_writing(partition, *base) {
                self.flusher.wrote.wait().await;
            }
        }
        let totals = file.output.totals();
        let outcome = self.swap_held(partition, &old, end, file).await;
        bases.iter().for_each(|base| self.end_writing(partition, *base));
        if outcome.is_ok() {
            let counts = &self.compaction.counts;
            counts.records_dropped.add(totals.records_dropped);
            counts.bytes_in.add(totals.bytes_in);
            counts.bytes_out.add(totals.bytes_out);
        }
        outcome
    }

    async fn swap_held(
        self: &Rc<Core>,
        partition: &PartitionRef,
        old: &[(Offset, u64)],
        end: Offset,
        file: CompactedFile,
    ) -> Result<(), GivenUp> {
        if !partition.borrow().still_has(old) {
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
            if self.compaction.stopping.get() || !partition.borrow().still_has(old) {
                break None;
            }
            if self.commit.room(Purpose::Append) >= ENTRY_BYTES_MAX
                && let Some(sealed) = self.seal_swap(partition, old, end, &mut file)
            {
                break Some(sealed);
            }
            millrace_rt::timeout(ROOM_WAIT, self.commit.hardened.wait()).await;
        };
        let Some(sealed) = sealed else {
            if let Some(file) = file {
                file.remove().await;
            }
            return Err(GivenUp::Overtaken);
        };
        self.commit.until_hard(sealed.frame).await;
        if let Err(error) = self.give_name(partition, &dir, &path, &sealed).await {
            self.fail(format!("a compacted segment could not be given its name: {error}")).await;
        }
        self.compaction.swapping.set(false);
        self.compaction.swapped.notify_all();
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
    ) -> Option<Sealed> {
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
        let frame = match self.engine.planted {
            Some(Planted::ForgetsSwaps) => self.commit.sealed_sequence(),
            _ => self.commit.seal_upkeep(&entries)?,
        };
        let file = file.take()?;
        self.compaction.swapping.set(true);
        let mut segment = Segment::on_disk(base, new.length.0, Stage::Finished);
        (segment.number, segment.max_timestamp) = (new.number, new.max_timestamp);
        (segment.index, segment.writing) = (file.index, true);
        let held = self.files.open_files.put(&mut segment.file, file.file);
        let mut partition = shared.borrow_mut();
        let freed = partition.put_compacted(&new, segment);
        drop(partition);
        self.tails_shrank(freed);
        let gone = old.iter().skip(1).map(|(base, _)| *base).collect();
        Some(Sealed { frame, new, gone, _file: held })
    }

    /// What was there under the new file's name goes as other deleted segments do: who has it open reads on.
    async fn give_name(
        &self,
        partition: &PartitionRef,
        dir: &Path,
        path: &Path,
        sealed: &Sealed,
    ) -> io::Result<()> {
        let delay = partition.borrow().config.file_delete_delay_ms;
        let delay = Duration::from_millis(u64::try_from(delay).unwrap_or(0));
        let name = segment_file(dir, sealed.new.segment);
        let aside = old_file(dir, sealed.new.segment, sealed.new.number);
        fs::rename(&name, &aside).await?;
        fs::rename(path, &name).await?;
        self.doom_aside(aside, delay);
        for base in &sealed.gone {
            self.doom(segment_file(dir, *base), delay).await;
        }
        fs::sync_dir(dir).await
    }
}

/// What a segment's file is called between its own name and its end.
fn old_file(dir: &Path, base: Offset, number: u64) -> PathBuf {
    dir.join(SegmentName::new(base).with_suffix(&format!(".log.{number}{DELETED_FILE_SUFFIX}")))
}

/// What became of a swap that the journal tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The new segment has its name, and what it stands for is gone.
    Done,
    /// The old segments are all there. Its frame may be lost yet, so that they stay: these, besides the first.
    Undone(Vec<Offset>),
}

/// Ends a swap that a crash may have cut short. Names change only behind a frame that is hard; where none has changed the
/// new file is of no use, and `cut_leftovers` sees to it. Where the new segment is not whole nothing changes: what it stands
/// for may be all that is left.
pub(crate) async fn settle_swap(
    data_dir: &Path,
    dir: &Path,
    new: &CompactedSegment,
) -> Result<Settled, OpenError> {
    let fault = |error| OpenError::io("end a compaction in", dir, &error);
    let (path, name) = (compacted_file(dir, new.segment, new.number), segment_file(dir, new.segment));
    let is_pending = fs::exists(&path).await.map_err(fault)?;
    let merged = |name: &str| {
        SegmentName::parse(name)
            .map(|name| name.base)
            .filter(|base| *base != new.segment && new.replaces(*base))
    };
    let entries = match fs::read_dir(dir).await {
        // Then the new segment is missing, too: whoever needs it says so.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        entries => entries.map_err(fault)?,
    };
    let merged: Vec<Offset> = entries.iter().filter_map(|entry| merged(&entry.name)).collect();
    if is_pending && fs::exists(&name).await.map_err(fault)? {
        return Ok(Settled::Undone(merged));
    }
    if !is_pending && merged.is_empty() {
        return Ok(Settled::Done);
    }
    let file = if is_pending { &path } else { &name };
    match length_if_there(file).await? {
        Some(length) if length == new.length.0 => {}
        Some(length) => {
            let told = new.length;
            let what =
                format!("this segment has {length} bytes; the journal says that compaction wrote {told}");
            return Err(OpenError::Missing { file: file.clone(), what, data_dir: data_dir.to_path_buf() });
        }
        // Whoever needs it says so.
        None => return Ok(Settled::Done),
    }
    finish_swap(dir, (&path, &name), is_pending, &merged).await.map_err(fault)?;
    Ok(Settled::Done)
}

/// Gives the new segment its name, if it has it not, and takes away what it stands for.
async fn finish_swap(
    dir: &Path,
    (path, name): (&Path, &Path),
    is_pending: bool,
    merged: &[Offset],
) -> io::Result<()> {
    if is_pending {
        fs::rename(path, name).await?;
    }
    for base in merged {
        fs::remove_file(&segment_file(dir, *base)).await?;
    }
    fs::sync_dir(dir).await
}

impl Partition {
    /// Whether these are segments of the log, the same as they were.
    fn still_has(&self, old: &[(Offset, u64)]) -> bool {
        let has = |(base, number): &(Offset, u64)| {
            !self.is_going(*base) && self.segment_at(*base).number == *number
        };
        let is_there = |(base, _): &(Offset, u64)| {
            self.segments.binary_search_by_key(base, |segment| segment.base).is_ok()
        };
        !self.removed && old.iter().all(|it| is_there(it) && has(it))
    }

    /// Takes in a segment in the place of others; answers the memory that is free then.
    fn put_compacted(&mut self, new: &CompactedSegment, segment: Segment) -> usize {
        assert!(new.end <= self.high_watermark, "only what readers see is compacted");
        // Their bytes are released, and so are those before them.
        self.forget_released_marks();
        let from = self.segments.partition_point(|segment| segment.base < new.segment);
        let to = self.segments.partition_point(|segment| segment.base < new.end);
        let gone: Vec<Segment> = self.segments.splice(from..to, [segment]).collect();
        if new.replaces(self.visible.segment) {
            self.visible = LogPosition { segment: new.end, position: 0 };
        }
        gone.into_iter().map(|mut segment| segment.tail.release_all()).sum()
    }
}
