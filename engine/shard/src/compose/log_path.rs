//! The way of an append, put together.

use std::rc::Rc;
use std::sync::Arc;

use millrace_core::journal::APPEND_HEAD_BYTES;

use crate::append::admission::{Admission, AppendBounds};
use crate::append::apply::Applier;
use crate::append::extent::ExtentWriter;
use crate::append::inflating::Inflating;
use crate::append::last_block::LastBlocks;
use crate::append::seal::FrameSealer;
use crate::compose::base::Base;
use crate::device::shares::PARTS;
use crate::flush::queue::FlushQueue;
use crate::flush::tail_flusher::TailFlusher;

/// Records in the queue belong to requests, which have bounds of their own, until their time is up; a disk
/// that hangs for longer would let the queue take all memory.
const QUEUE_PARTS: u64 = PARTS / 2;
/// A shard whose memory is smaller still takes some of the largest appends.
const QUEUE_BYTES_MIN: usize = 16 * 1024 * 1024;

/// The way of an append.
pub(super) struct LogPath {
    pub(super) flusher: Rc<TailFlusher>,
    pub(super) last_blocks: Rc<LastBlocks>,
    pub(super) sealer: Rc<FrameSealer>,
    pub(super) admission: Rc<Admission>,
}

impl LogPath {
    pub(super) fn new(base: &Base) -> LogPath {
        let Base { partitions, disk, commit, counters, .. } = base;
        let flusher = Rc::new(TailFlusher {
            queue: FlushQueue::new(),
            tails: Rc::clone(&partitions.tails),
            unreleased: Rc::clone(&partitions.unreleased),
            commit: Rc::clone(commit),
            files: Rc::clone(&disk.files),
            space: Rc::clone(&disk.space),
            counters: Rc::clone(counters),
            planted: base.planted,
            fatal: base.fatal(),
        });
        let last_blocks = Rc::new(LastBlocks {
            files: Rc::clone(&disk.files),
            tails: Rc::clone(&partitions.tails),
            commit: Rc::clone(commit),
        });
        let applier = Rc::new(Applier {
            tails: Rc::clone(&partitions.tails),
            unreleased: Rc::clone(&partitions.unreleased),
            flusher: Rc::clone(&flusher),
            rolled: Rc::clone(&partitions.rolled),
            last_blocks: Rc::clone(&last_blocks),
            counters: Rc::clone(counters),
        });
        let extents = Rc::new(ExtentWriter {
            commit: Rc::clone(commit),
            applier: Rc::clone(&applier),
            flusher: Rc::clone(&flusher),
            tails: Rc::clone(&partitions.tails),
            files: Rc::clone(&disk.files),
            space: Rc::clone(&disk.space),
            counters: Rc::clone(counters),
            planted: base.planted,
            fatal: base.fatal(),
        });
        let admission = admission(base, &extents, &last_blocks);
        let sealer = Rc::new(FrameSealer {
            commit: Rc::clone(commit),
            applier,
            extents,
            flusher: Rc::clone(&flusher),
            tails: Rc::clone(&partitions.tails),
            counters: Rc::clone(counters),
            planted: base.planted,
        });
        LogPath { flusher, last_blocks, sealer, admission }
    }
}

fn admission(base: &Base, extents: &Rc<ExtentWriter>, last_blocks: &Rc<LastBlocks>) -> Rc<Admission> {
    let bounds = AppendBounds {
        // The entry of a roll may stand before that of the append.
        append_bytes: base.geometry.append_bytes_max() - APPEND_HEAD_BYTES,
        queue_bytes: base.part(QUEUE_PARTS).max(QUEUE_BYTES_MIN),
    };
    Rc::new(Admission {
        mesh: Rc::clone(&base.mesh),
        config: Arc::clone(&base.config),
        bounds,
        table: Rc::clone(&base.partitions.table),
        commit: Rc::clone(&base.commit),
        extents: Rc::clone(extents),
        last_blocks: Rc::clone(last_blocks),
        inflating: Inflating::default(),
        producers: Rc::clone(&base.partitions.producers),
        space: Rc::clone(&base.disk.space),
        counters: Rc::clone(&base.counters),
    })
}
