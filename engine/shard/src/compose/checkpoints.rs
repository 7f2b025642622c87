//! What gives the slots of the journal back, put together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use millrace_core::base::ids::TimestampMs;
use millrace_rt::Shutdown;

use crate::checkpoint::cleaning::SlotCleaner;
use crate::checkpoint::hold::CheckpointHold;
use crate::checkpoint::index_store::IndexStore;
use crate::checkpoint::log_start::LogStarts;
use crate::checkpoint::noted_start::StartNotes;
use crate::checkpoint::releasing::Release;
use crate::checkpoint::writer::CheckpointWriter;
use crate::compose::base::Base;
use crate::compose::log_path::LogPath;
use crate::recovery::engine::Facts;

/// What gives slots of the journal back.
pub(super) struct Checkpoints {
    pub(super) hold: Rc<CheckpointHold>,
    pub(super) release: Rc<Release>,
    pub(super) notes: Rc<StartNotes>,
    pub(super) cleaner: Rc<SlotCleaner>,
    pub(super) log_starts: Rc<LogStarts>,
    /// When this run began; nothing that it found was written later.
    pub(super) opened: TimestampMs,
}

impl Checkpoints {
    pub(super) fn new(base: &Base, facts: &Facts, log: &LogPath) -> Checkpoints {
        let Base { partitions, disk, commit, counters, .. } = base;
        let hold: Rc<CheckpointHold> = Rc::default();
        let release = Rc::new(Release {
            unreleased: Rc::clone(&partitions.unreleased),
            files: Rc::clone(&disk.files),
            unsynced: Rc::clone(&disk.unsynced),
            planted: base.planted,
            fatal: base.fatal(),
        });
        let notes = Rc::new(StartNotes {
            table: Rc::clone(&partitions.table),
            commit: Rc::clone(commit),
            flusher: Rc::clone(&log.flusher),
            files: Rc::clone(&disk.files),
            unsynced: Rc::clone(&disk.unsynced),
        });
        let indexes = Rc::new(IndexStore {
            due: RefCell::default(),
            files: Rc::clone(&disk.files),
            flusher: Rc::clone(&log.flusher),
        });
        let checkpoints = Rc::new(CheckpointWriter {
            shard: base.index,
            boot: facts.boot(),
            dir: base.engine.layout.shard(facts.new.generation, base.index),
            number: Cell::new(0),
            hold: Rc::clone(&hold),
            table: Rc::clone(&partitions.table),
            commit: Rc::clone(commit),
            indexes: Rc::clone(&indexes),
            space: Rc::clone(&disk.space),
            counters: Rc::clone(counters),
            fatal: base.fatal(),
        });
        let cleaner = Rc::new(SlotCleaner {
            shard: base.index,
            table: Rc::clone(&partitions.table),
            unreleased: Rc::clone(&partitions.unreleased),
            commit: Rc::clone(commit),
            flusher: Rc::clone(&log.flusher),
            starts: Rc::clone(&notes),
            release: Rc::clone(&release),
            checkpoints,
            indexes,
            counters: Rc::clone(counters),
            shutdown: Shutdown::default(),
        });
        let opened = TimestampMs(millrace_rt::wall_now_ms());
        Checkpoints { hold, release, notes, cleaner, log_starts: log_starts(base, log), opened }
    }
}

fn log_starts(base: &Base, log: &LogPath) -> Rc<LogStarts> {
    Rc::new(LogStarts {
        mesh: Rc::clone(&base.mesh),
        table: Rc::clone(&base.partitions.table),
        commit: Rc::clone(&base.commit),
        flusher: Rc::clone(&log.flusher),
        unreleased: Rc::clone(&base.partitions.unreleased),
        files: Rc::clone(&base.disk.files),
        deletion: Rc::clone(&base.disk.deletion),
        counters: Rc::clone(&base.counters),
        planted: base.planted,
    })
}
