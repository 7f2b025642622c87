//! Moves tails to segment files, off the latency path: whole blocks, in writes of 128 KiB, as fast as they come in.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::Offset;
use millrace_rt::{Block, Sync};

use crate::api::Planted;
use crate::flusher::{FLUSH_BYTES, RETRY_FULL, write_bytes};
use crate::partition::{Partition, PartitionRef};
use crate::segment::Stage;
use crate::shard::Core;
use crate::tail::{BLOCK_BYTES, block_floor};

impl Partition {
    /// Whether a whole paced write waits, or a rolled segment has to be finished.
    pub(crate) fn wants_flush(&self) -> bool {
        self.active().unwritten_blocks() >= FLUSH_BYTES || self.next_rolled().is_some()
    }

    pub(crate) fn next_rolled(&self) -> Option<Offset> {
        // Rolled segments stand right before the active one.
        let rolled =
            self.segments.iter().rev().skip(1).take_while(|segment| segment.stage != Stage::Finished);
        rolled.last().map(|segment| segment.base)
    }
}

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

impl Core {
    /// Writes tails as they become worth it. Runs until the shard ends.
    pub(crate) async fn flush_tails(self: Rc<Core>) {
        loop {
            let next = self.flusher.queue.borrow_mut().pop_front();
            let Some(partition) = next else {
                self.flusher.work.wait().await;
                continue;
            };
            partition.borrow_mut().flush_queued = false;
            self.flush_next(&partition).await;
            let mut state = partition.borrow_mut();
            if !state.removed && !state.flush_queued && state.wants_flush() {
                state.flush_queued = true;
                drop(state);
                self.flusher.push(partition);
            }
        }
    }

    async fn flush_next(self: &Rc<Core>, partition: &PartitionRef) {
        let (base, amount) = {
            let partition = partition.borrow();
            match partition.next_rolled() {
                Some(base) => (base, Amount::Everything),
                None => (partition.active().base, Amount::Paced),
            }
        };
        self.flush_segment(partition, base, amount).await;
    }

    /// Writes `amount` of a segment's bytes that are in memory only. A full disk is waited out; any other error
    /// ends the process.
    pub(crate) async fn flush_segment(
        self: &Rc<Core>,
        partition: &PartitionRef,
        base: Offset,
        amount: Amount,
    ) {
        while !begin_writing(partition, base) {
            self.flusher.wrote.wait().await;
        }
        let mut waits = false;
        loop {
            let result = self.write_segment(partition, base, amount).await;
            match result {
                Ok(()) => break,
                Err(_) if partition.borrow().removed || partition.borrow().is_going(base) => break,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    if self.engine.planted == Some(Planted::TrustsFullDisk) {
                        trust_full_disk(partition, base);
                        break;
                    }
                    if !std::mem::replace(&mut waits, true) {
                        tracing::warn!(%base, "the disk is full; the segment's data stay in memory and journal");
                        self.disk_is_full();
                    }
                    self.counters.full_disk_waits.increment();
                    millrace_rt::sleep(RETRY_FULL).await;
                }
                Err(error) => self.fail(format!("a segment write failed: {error}")).await,
            }
        }
        if waits {
            self.disk_has_space();
        }
        if let Some(segment) = partition.borrow_mut().segment_mut(base) {
            segment.writing = false;
        }
        self.flusher.retain(partition, base);
        self.flusher.evict();
        self.flusher.wrote.notify_all();
    }

    async fn write_segment(&self, partition: &PartitionRef, base: Offset, amount: Amount) -> io::Result<()> {
        loop {
            let Some((from, pieces)) = next_blocks(partition, base, amount) else { break };
            let file = self.files.open_for_write(partition, base).await?;
            let bytes: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
            self.let_commits_pass(bytes).await;
            let written = file.write_vectored_at(from, pieces, Sync::None).await? as u64;
            self.counters.segment_writes.increment();
            self.counters.segment_bytes.add(written);
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let whole = if written == bytes { written } else { block_floor(written) };
            if whole == 0 {
                // There was room for a part of a block only.
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(segment) = partition.borrow_mut().segment_mut(base) {
                segment.written = from + whole;
            }
            if amount == Amount::Paced {
                return Ok(());
            }
        }
        match amount {
            Amount::Paced => Ok(()),
            Amount::Padded => self.write_last_block(partition, base).await.map(drop),
            Amount::Everything => self.finish_segment(partition, base).await,
        }
    }

    /// Waits while a commit is in flight and those before it have not yet paid for this write.
    async fn let_commits_pass(&self, bytes: u64) {
        while self.commit.writing.get() && !self.flusher.has_credit(bytes) {
            self.commit.hardened.wait().await;
        }
        self.flusher.spend(bytes);
    }

    /// The partial last block, padded for the direct write. Answers the segment's length at that moment.
    async fn write_last_block(&self, partition: &PartitionRef, base: Offset) -> io::Result<u64> {
        let Some((from, length, pieces)) = last_block(partition, base) else { return Ok(0) };
        if !pieces.is_empty() {
            self.let_commits_pass(BLOCK_BYTES).await;
            let file = self.files.open_for_write(partition, base).await?;
            let mut block = Block::with_capacity(BLOCK_BYTES as usize);
            let space = block.as_mut_slice();
            space.fill(0);
            let mut filled = 0;
            for piece in pieces {
                millrace_rt::copy_payload(&mut space[filled..filled + piece.len()], &piece);
                filled += piece.len();
            }
            file.write_all_at(from, block.freeze().slice(..BLOCK_BYTES as usize), Sync::None).await?;
            self.counters.segment_writes.increment();
            self.counters.segment_bytes.add(BLOCK_BYTES);
        }
        if let Some(segment) = partition.borrow_mut().segment_mut(base) {
            segment.padded = length;
        }
        Ok(length)
    }

    /// The last block, and the file cut to the segment's exact length.
    async fn finish_segment(&self, partition: &PartitionRef, base: Offset) -> io::Result<()> {
        let length = self.write_last_block(partition, base).await?;
        if length == 0 {
            return Ok(());
        }
        let file = self.files.open_for_write(partition, base).await?;
        file.truncate(length).await?;
        if let Some(segment) = partition.borrow_mut().segment_mut(base) {
            assert_eq!(segment.length(), length, "a segment that is finished takes no appends");
            segment.written = length;
            if segment.stage == Stage::Rolled {
                segment.stage = Stage::Finished;
            } else {
                // Its bytes may be hard already; that the file ends with them is not.
                segment.released = segment.released.min(length - 1);
            }
        }
        Ok(())
    }
}

/// A fault for tests that it is caught.
fn trust_full_disk(partition: &PartitionRef, base: Offset) {
    if let Some(segment) = partition.borrow_mut().segment_mut(base) {
        segment.written = block_floor(segment.length());
    }
}

/// Whether nobody else writes what belongs to the segment; the caller does, until it says otherwise.
pub(crate) fn begin_writing(partition: &PartitionRef, base: Offset) -> bool {
    let mut partition = partition.borrow_mut();
    match partition.segment_mut(base) {
        Some(segment) if segment.writing => false,
        Some(segment) => {
            segment.writing = true;
            true
        }
        None => true,
    }
}

/// Whole blocks to be written next, and where.
fn next_blocks(partition: &PartitionRef, base: Offset, amount: Amount) -> Option<(u64, Vec<Bytes>)> {
    let mut partition = partition.borrow_mut();
    if partition.removed {
        return None;
    }
    let segment = partition.segment_mut(base)?;
    let blocks = segment.unwritten_blocks();
    if blocks == 0 || (amount == Amount::Paced && blocks < FLUSH_BYTES) {
        return None;
    }
    let from = segment.written;
    let to = from + write_bytes(blocks);
    Some((from, segment.tail.view(from, to)))
}

/// Where the last block begins, where the segment ends, and the bytes between.
fn last_block(partition: &PartitionRef, base: Offset) -> Option<(u64, u64, Vec<Bytes>)> {
    let mut partition = partition.borrow_mut();
    if partition.removed {
        return None;
    }
    let segment = partition.segment_mut(base)?;
    let (from, length) = (segment.written, segment.length());
    let missing = length > segment.in_file();
    let pieces = if missing { segment.tail.view(from, length) } else { Vec::new() };
    Some((from, length, pieces))
}
