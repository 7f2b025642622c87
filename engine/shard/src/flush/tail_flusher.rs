//! Moves tails to segment files, off the latency path: whole blocks, in writes of 128 KiB,
//! as fast as they come in.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::Offset;
use millrace_rt::{Block, Sync};

use crate::api::Planted;
use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::device::fatal::Fatal;
use crate::device::open_files::OpenFile;
use crate::device::planted::PlantedFault;
use crate::device::space::RETRY_FULL;
use crate::device::space::Space;
use crate::files::segment_files::SegmentFiles;
use crate::flush::queue::{FLUSH_BYTES, FlushQueue, write_bytes};
use crate::partition::segment::Stage;
use crate::partition::state::{Partition, PartitionRef};
use crate::partition::tail::{BLOCK_BYTES, block_floor};
use crate::partition::tail_memory::TailMemory;
use crate::partition::unreleased::Unreleased;

/// How much of a segment one call writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// One paced write.
    Paced,
    /// Everything, the last block padded; it is written again when more has come.
    Padded,
    /// Everything; the file ends where the segment ends.
    Everything,
}

/// Writes tails of one shard. Driven by `FLUSHERS` tasks.
pub(crate) struct TailFlusher {
    pub(crate) queue: FlushQueue,
    pub(crate) tails: Rc<TailMemory>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) space: Rc<Space>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) planted: PlantedFault,
    pub(crate) fatal: Fatal,
}

impl TailFlusher {
    /// Writes tails: those that a cleaning waits for, those that are worth it, and where memory is short
    /// those that wait longest. Runs until the shard ends.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            if let Some(partition) = self.queue.next_due() {
                self.flush_partition(&partition).await;
                self.queue.due_written();
            } else if let Some(partition) = self.queue.next() {
                self.flush_queued(partition).await;
            } else if self.tails.presses()
                && let Some(partition) = self.tails.next_dirty()
            {
                self.counters.tails.tail_pressure_flushes.increment();
                self.flush_partition(&partition).await;
            } else {
                self.queue.work.wait().await;
            }
        }
    }

    async fn flush_queued(&self, partition: PartitionRef) {
        partition.borrow_mut().lines.flush_queued = false;
        self.flush_next(&partition).await;
        let mut state = partition.borrow_mut();
        if !state.is_removed() {
            self.queue_flush(&partition, &mut state);
        }
    }

    /// Queues the partition for a flush if it has one waiting.
    pub(crate) fn queue_flush(&self, shared: &PartitionRef, partition: &mut Partition) {
        if !partition.lines.flush_queued && partition.wants_flush(FLUSH_BYTES) {
            partition.lines.flush_queued = true;
            self.queue.push(Rc::clone(shared));
        }
    }

    /// Rolled segments whole; of the active one every byte, its last block padded and written again later.
    pub(crate) async fn flush_partition(&self, partition: &PartitionRef) {
        let bases: Vec<(Offset, Stage)> = {
            let partition = partition.borrow();
            let missing = partition.segments.iter().filter(|segment| segment.in_file() < segment.length());
            missing.map(|segment| (segment.base, segment.stage)).collect()
        };
        for (base, stage) in bases {
            let amount = if stage == Stage::Active { Amount::Padded } else { Amount::Everything };
            self.flush_segment(partition, base, amount).await;
        }
    }

    async fn flush_next(&self, partition: &PartitionRef) {
        let (base, amount) = {
            let partition = partition.borrow();
            match partition.next_rolled() {
                Some(base) => (base, Amount::Everything),
                None => (partition.active().base, Amount::Paced),
            }
        };
        self.flush_segment(partition, base, amount).await;
    }

    /// Writes `amount` of a segment's bytes that are in memory only. A full disk is waited out;
    /// any other error ends the process.
    pub(crate) async fn flush_segment(&self, partition: &PartitionRef, base: Offset, amount: Amount) {
        while !begin_writing(partition, base) {
            self.queue.wrote.wait().await;
        }
        let mut waits = false;
        let before = partition.borrow_mut().segment_mut(base).map_or(0, |segment| segment.file.written);
        loop {
            let result = self.write_segment(partition, base, amount).await;
            match result {
                Ok(()) => break,
                Err(_) if partition.borrow().is_removed() || partition.borrow().is_going(base) => break,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    if self.planted.is(Planted::TrustsFullDisk) {
                        trust_full_disk(partition, base);
                        break;
                    }
                    if !std::mem::replace(&mut waits, true) {
                        tracing::warn!(%base, "the disk is full; the segment's data stay in memory and journal");
                        self.space.disk_is_full();
                        self.queue.wrote.notify_all();
                    }
                    self.counters.segments.full_disk_waits.increment();
                    millrace_rt::sleep(RETRY_FULL).await;
                }
                Err(error) => self.fatal.end(format!("a segment write failed: {error}")).await,
            }
        }
        if waits {
            self.space.disk_has_space();
        }
        self.end_writing(partition, base);
        self.unreleased.note(partition, &mut partition.borrow_mut());
        self.tails.note_written(partition, base, before);
        self.tails.evict();
        self.let_appends_go_on();
    }

    /// Somebody else may write what belongs to the segment.
    pub(crate) fn end_writing(&self, partition: &PartitionRef, base: Offset) {
        if let Some(segment) = partition.borrow_mut().segment_mut(base) {
            segment.file.writing = false;
            segment.check();
        }
        self.queue.wrote.notify_all();
    }

    async fn write_segment(&self, partition: &PartitionRef, base: Offset, amount: Amount) -> io::Result<()> {
        let length = partition.borrow_mut().segment_mut(base).map_or(0, |segment| segment.length());
        while let Some(next) = next_write(partition, base, amount) {
            let file = self.file_to_write(partition, base).await?;
            let bytes = next.bytes();
            self.let_commits_pass(bytes).await;
            let written = file.write_vectored_at(next.from, next.pieces, Sync::None).await? as u64;
            self.counters.segments.segment_writes.increment();
            self.counters.segments.segment_bytes.add(written);
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let whole = if written == bytes { next.whole } else { block_floor(written).min(next.whole) };
            if whole == 0 && written < bytes {
                // There was room for a part of a block only.
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(segment) = partition.borrow_mut().segment_mut(base) {
                // An extent may have got further meanwhile.
                segment.file.written = segment.file.written.max(next.from + whole);
                if written == bytes {
                    segment.file.padded = segment.file.padded.max(next.padded.unwrap_or(0));
                }
            }
            // What was appended since is another write's.
            if amount == Amount::Paced || (written == bytes && next.from + bytes >= length) {
                break;
            }
        }
        match amount {
            Amount::Paced | Amount::Padded => Ok(()),
            Amount::Everything => self.finish_segment(partition, base).await,
        }
    }

    /// The file of a segment. That one follows another is hard before its file is made: after a power loss it
    /// would stand beside one that has only what was hard,
    /// and without a checkpoint be taken for the rest of the log.
    pub(crate) async fn file_to_write(
        &self,
        partition: &PartitionRef,
        base: Offset,
    ) -> io::Result<Rc<OpenFile>> {
        let is_new = partition.borrow_mut().segment_mut(base).is_some_and(|segment| !segment.has_file());
        if is_new && base > Offset::ZERO {
            self.commit.until_hard(self.commit.sealed_sequence()).await;
        }
        self.files.open_for_write(partition, base).await
    }

    /// Waits while a commit is in flight and those before it have not yet paid for this write.
    async fn let_commits_pass(&self, bytes: u64) {
        while self.commit.is_writing() && !self.commit.credit.has(bytes) {
            self.commit.signals.hardened.wait().await;
        }
        self.commit.credit.spend(bytes);
    }

    /// Cuts the file to the segment's exact length; all its bytes are there.
    async fn finish_segment(&self, partition: &PartitionRef, base: Offset) -> io::Result<()> {
        let length = {
            let mut partition = partition.borrow_mut();
            let is_removed = partition.is_removed();
            partition.segment_mut(base).filter(|_| !is_removed).map_or(0, |segment| segment.length())
        };
        if length == 0 {
            return Ok(());
        }
        let file = self.file_to_write(partition, base).await?;
        file.truncate(length).await?;
        if let Some(segment) = partition.borrow_mut().segment_mut(base) {
            assert_eq!(segment.length(), length, "a segment that is finished takes no appends");
            segment.file.written = length;
            if segment.stage == Stage::Rolled {
                segment.stage = Stage::Finished;
            } else {
                // Its bytes may be hard already; that the file ends with them is not.
                segment.file.released = segment.file.released.min(length - 1);
            }
        }
        Ok(())
    }
}

impl TailFlusher {
    /// Whether another append may be applied. Where memory is short the flushers are woken.
    pub(crate) fn has_tail_room(&self) -> bool {
        let has_room = self.tails.has_room();
        if self.tails.presses() {
            self.queue.work.notify_all();
        }
        has_room
    }

    /// Tails gave back `bytes` that were not evicted: their log or a part of it is gone.
    pub(crate) fn tails_shrank(&self, bytes: usize) {
        self.tails.shrank(bytes);
        self.let_appends_go_on();
    }

    /// Wakes appends that waited for memory, if there is some.
    pub(crate) fn let_appends_go_on(&self) {
        if self.tails.can_go_on() {
            self.commit.nudge();
        }
    }
}

/// A fault for tests that it is caught.
fn trust_full_disk(partition: &PartitionRef, base: Offset) {
    if let Some(segment) = partition.borrow_mut().segment_mut(base) {
        segment.file.written = block_floor(segment.length());
    }
}

/// Whether nobody else writes what belongs to the segment; the caller does, until it says otherwise.
pub(crate) fn begin_writing(partition: &PartitionRef, base: Offset) -> bool {
    let mut partition = partition.borrow_mut();
    match partition.segment_mut(base) {
        Some(segment) if segment.file.writing => false,
        Some(segment) => {
            segment.file.writing = true;
            true
        }
        None => true,
    }
}

/// One write to a segment's file.
struct SegmentWrite {
    from: u64,
    pieces: Vec<Bytes>,
    /// Bytes of whole blocks.
    whole: u64,
    /// The segment's length, where its last block follows them, padded.
    padded: Option<u64>,
}

impl SegmentWrite {
    fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }
}

/// What of a segment is to be written next.
fn next_write(partition: &PartitionRef, base: Offset, amount: Amount) -> Option<SegmentWrite> {
    let mut partition = partition.borrow_mut();
    if partition.is_removed() {
        return None;
    }
    let segment = partition.segment_mut(base)?;
    let (blocks, length) = (segment.unwritten_blocks(), segment.length());
    if amount == Amount::Paced && blocks < FLUSH_BYTES {
        return None;
    }
    let (from, whole) = (segment.file.written, write_bytes(blocks));
    let to = from + whole;
    let mut pieces = if whole > 0 { segment.tail.view(from, to) } else { Vec::new() };
    let pads = amount != Amount::Paced && whole == blocks && length > to.max(segment.in_file());
    if pads {
        // An extent behind the end is in the file, or on its way there: zeros would undo it.
        let end = segment.tail.end().min(to + BLOCK_BYTES);
        pieces.push(padded_block(&segment.tail.view(to, end)));
    }
    let next = SegmentWrite { from, pieces, whole, padded: pads.then_some(length) };
    (!next.pieces.is_empty()).then_some(next)
}

/// The partial last block of a segment, filled up with zeros for a direct write.
pub(crate) fn padded_block(pieces: &[Bytes]) -> Bytes {
    let mut block = Block::with_capacity(BLOCK_BYTES as usize);
    let space = block.as_mut_slice();
    let mut filled = 0;
    for piece in pieces {
        millrace_rt::copy_payload(&mut space[filled..filled + piece.len()], piece);
        filled += piece.len();
    }
    space[filled..].fill(0);
    block.freeze().slice(..BLOCK_BYTES as usize)
}
