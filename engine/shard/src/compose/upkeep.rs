//! What looks after logs, files and the free space, put together.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use millrace_rt::Shutdown;

use crate::compaction::cleaned_notes::CleanedNotes;
use crate::compaction::compacted_file::CompactionIo;
use crate::compaction::log_compactor::{LogCompactor, MapMemory};
use crate::compaction::state::Compaction;
use crate::compaction::swapper::Swapper;
use crate::compose::base::Base;
use crate::compose::checkpoints::Checkpoints;
use crate::compose::log_path::LogPath;
use crate::files::space_watch::SpaceWatch;
use crate::metadata::first_files::FirstFiles;
use crate::recovery::engine::Facts;
use crate::retention::retaining::Retention;

pub(super) fn retention(base: &Base, checkpoints: &Checkpoints) -> Rc<Retention> {
    Rc::new(Retention {
        config: Arc::clone(&base.config),
        table: Rc::clone(&base.partitions.table),
        rolled: Rc::clone(&base.partitions.rolled),
        starts: Rc::clone(&checkpoints.log_starts),
        opened: checkpoints.opened,
        shutdown: Shutdown::default(),
    })
}

pub(super) fn compactor(
    base: &Base,
    facts: &Facts,
    log: &LogPath,
    checkpoints: &Checkpoints,
) -> Rc<LogCompactor> {
    let Base { partitions, disk, .. } = base;
    let compaction = Rc::new(Compaction::new(facts.new.generation));
    let io = CompactionIo {
        compaction: Rc::clone(&compaction),
        files: Rc::clone(&disk.files),
        classes: Rc::clone(&disk.classes),
        space: Rc::clone(&disk.space),
    };
    let swapper = Swapper {
        compaction: Rc::clone(&compaction),
        hold: Rc::clone(&checkpoints.hold),
        commit: Rc::clone(&base.commit),
        files: Rc::clone(&disk.files),
        flusher: Rc::clone(&log.flusher),
        deletion: Rc::clone(&disk.deletion),
        planted: base.planted,
        fatal: base.fatal(),
    };
    Rc::new(LogCompactor {
        config: Arc::clone(&base.config),
        image: Rc::clone(&base.image),
        table: Rc::clone(&partitions.table),
        unreleased: Rc::clone(&partitions.unreleased),
        release: Rc::clone(&checkpoints.release),
        compaction,
        io,
        notes: CleanedNotes { files: Rc::clone(&disk.files), flusher: Rc::clone(&log.flusher) },
        swapper,
        memory: MapMemory { shard_bytes: base.shard_memory(), shards: base.shards() },
        opened: checkpoints.opened,
    })
}

pub(super) fn space_watch(base: &Base) -> Rc<SpaceWatch> {
    Rc::new(SpaceWatch {
        index: base.index,
        space: Rc::clone(&base.disk.space),
        table: Rc::clone(&base.partitions.table),
        unreleased: Rc::clone(&base.partitions.unreleased),
        files: Rc::clone(&base.disk.files),
        journal_bytes: base.geometry.journal_bytes() as u64,
        has_journal_disk: base.engine.settings.journal_dir.is_some(),
    })
}

pub(super) fn first_files(base: &Base, log: &LogPath) -> Rc<FirstFiles> {
    Rc::new(FirstFiles {
        shard: base.index,
        waiting: RefCell::default(),
        work: millrace_rt::Signal::new(),
        table: Rc::clone(&base.partitions.table),
        files: Rc::clone(&base.disk.files),
        flusher: Rc::clone(&log.flusher),
        space: Rc::clone(&base.disk.space),
        planted: base.planted,
        fatal: base.fatal(),
        shutdown: Shutdown::default(),
    })
}
