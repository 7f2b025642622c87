//! One shard's parts, put together: who is handed what.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::ids::ShardIndex;
use millrace_core::journal::WRITES_MAX;

use crate::append::seal::FrameSealer;
use crate::checkpoint::cleaning::SlotCleaner;
use crate::commit::write::FrameWriter;
use crate::commit::zeroing::SlotZeroing;
use crate::compaction::log_compactor::LogCompactor;
use crate::compose::base::{Base, NewJournal};
use crate::compose::checkpoints::Checkpoints;
use crate::compose::invariants::Invariants;
use crate::compose::log_path::LogPath;
use crate::compose::reads::Reads;
use crate::compose::{requests, upkeep};
use crate::files::deleting::FileDeletion;
use crate::files::loading::PageLoader;
use crate::files::read_cache::LOADERS;
use crate::files::space_watch::SpaceWatch;
use crate::flush::queue::FLUSHERS;
use crate::flush::tail_flusher::TailFlusher;
use crate::groups::calls::GroupCalls;
use crate::groups::host::GroupHost;
use crate::mesh::waiting::WaitingLanes;
use crate::metadata::first_files::FirstFiles;
use crate::metadata::log::MetadataLog;
use crate::partition::producer_upkeep::ProducerUpkeep;
use crate::recovery::close::Closing;
use crate::recovery::engine::{Engine, Facts};
use crate::recovery::restore::Restorer;
use crate::retention::retaining::Retention;
use crate::serve::handlers::{READERS, RequestHandlers, SERVERS};
use crate::serve::stats::StatsSource;
use crate::shard::{Services, Shard};

/// A shard before it serves.
pub(crate) struct Composed {
    pub(crate) restorer: Restorer,
    pub(crate) cleaner: Rc<SlotCleaner>,
    pub(crate) space_watch: Rc<SpaceWatch>,
    tasks: Tasks,
    upkeep: Upkeep,
    services: Services,
}

/// What runs from the moment that the partitions are there.
struct Tasks {
    sealer: Rc<FrameSealer>,
    writer: Rc<FrameWriter>,
    zeroing: Rc<SlotZeroing>,
    flusher: Rc<TailFlusher>,
    page_loader: Rc<PageLoader>,
    handlers: Rc<RequestHandlers>,
    producers: Rc<ProducerUpkeep>,
}

/// What runs once the generation of this run is the valid one:
/// the one before still knows the files that these delete.
struct Upkeep {
    retention: Rc<Retention>,
    compactor: Rc<LogCompactor>,
    deletion: Rc<FileDeletion>,
    first_files: Rc<FirstFiles>,
    groups: Rc<GroupHost>,
}

impl Composed {
    /// Puts together what the shard is made of; nothing runs yet.
    pub(crate) fn new(
        engine: &Engine,
        facts: &Facts,
        index: ShardIndex,
        journal: NewJournal,
        metadata: Option<MetadataLog>,
    ) -> Composed {
        let base = Base::new(engine, facts, index, journal);
        let log = LogPath::new(&base);
        let checkpoints = Checkpoints::new(&base, facts, &log);
        let retention = upkeep::retention(&base, &checkpoints);
        let compactor = upkeep::compactor(&base, facts, &log, &checkpoints);
        let reads = Reads::new(&base);
        let space_watch = upkeep::space_watch(&base);
        let groups = requests::groups(&base, facts, &log, &reads);
        let first_files = upkeep::first_files(&base, &log);
        let metadata = requests::metadata(&base, metadata, &log, (&groups, &first_files, &space_watch));
        let waiting: Rc<WaitingLanes> = Rc::default();
        let handlers = requests::handlers(&base, &waiting, &log, &reads, (&checkpoints, &groups, &metadata));
        let closing = Closing {
            shard: index,
            commit: Rc::clone(&base.commit),
            first_files: Rc::clone(&first_files),
            compaction: Rc::clone(&compactor.compaction),
            retention: Rc::clone(&retention),
            cleaner: Rc::clone(&checkpoints.cleaner),
            deletion: Rc::clone(&base.disk.deletion),
            metadata: Rc::clone(&metadata),
            engine: Arc::clone(&base.engine),
        };
        let stats = StatsSource {
            counters: Rc::clone(&base.counters),
            partitions: Rc::clone(&base.partitions),
            disk: Rc::clone(&base.disk),
            commit: Rc::clone(&base.commit),
            egress: Rc::clone(&base.egress),
            compaction: Rc::clone(&compactor.compaction),
            waiting,
            groups: Rc::clone(&groups),
        };
        let services = Services {
            mesh: Rc::clone(&base.mesh),
            config: Arc::clone(&base.config),
            image: Rc::clone(&base.image),
            arrivals: Rc::clone(&handlers.arrivals),
            admission: Rc::clone(&log.admission),
            fetcher: reads.fetcher,
            queries: reads.queries,
            starts: Rc::clone(&checkpoints.log_starts),
            metadata,
            groups: GroupCalls { mesh: Rc::clone(&base.mesh), host: Rc::clone(&groups) },
            stats,
            closing,
        };
        Composed {
            restorer: restorer(&base, &log, &checkpoints),
            cleaner: checkpoints.cleaner,
            space_watch,
            tasks: tasks(&base, log, handlers),
            upkeep: Upkeep {
                retention,
                compactor,
                deletion: base.disk.deletion.clone(),
                first_files,
                groups,
            },
            services,
        }
    }

    /// Starts the shard's tasks; they run until the process ends.
    pub(crate) fn run(&self) {
        let tasks = &self.tasks;
        millrace_rt::spawn(Rc::clone(&tasks.sealer).run());
        for _ in 0..WRITES_MAX {
            millrace_rt::spawn(Rc::clone(&tasks.writer).run());
        }
        millrace_rt::spawn(Rc::clone(&self.cleaner).run());
        millrace_rt::spawn(Rc::clone(&tasks.zeroing).run());
        millrace_rt::spawn(Rc::clone(&tasks.handlers).run());
        millrace_rt::spawn(Rc::clone(&tasks.producers).expire_idle());
        millrace_rt::spawn(Rc::clone(&tasks.producers).bound());
        millrace_rt::spawn(Rc::clone(&self.services.metadata).vouch_for_changes());
        for _ in 0..FLUSHERS {
            millrace_rt::spawn(Rc::clone(&tasks.flusher).run());
        }
        for _ in 0..READERS {
            millrace_rt::spawn(Rc::clone(&tasks.handlers).serve(|lanes| &lanes.reads));
        }
        for _ in 0..SERVERS {
            millrace_rt::spawn(Rc::clone(&tasks.handlers).serve(|lanes| &lanes.others));
        }
        for _ in 0..LOADERS {
            millrace_rt::spawn(Rc::clone(&tasks.page_loader).run());
        }
    }

    /// Starts what makes and deletes files, and loads groups: the shard serves.
    pub(crate) fn serve(self) -> Shard {
        millrace_rt::spawn(self.space_watch.run());
        millrace_rt::spawn(self.upkeep.retention.run());
        millrace_rt::spawn(self.upkeep.compactor.run());
        millrace_rt::spawn(self.upkeep.deletion.run());
        millrace_rt::spawn(self.upkeep.first_files.run());
        millrace_rt::spawn(Rc::clone(&self.upkeep.groups).run_timers());
        millrace_rt::spawn(self.upkeep.groups.load_all());
        let StatsSource { partitions, commit, groups, .. } = &self.services.stats;
        let invariants = Invariants {
            partitions: Rc::clone(partitions),
            commit: Rc::clone(commit),
            groups: Rc::clone(groups),
            turns: Cell::new(0),
        };
        invariants.watch();
        Shard::new(self.services)
    }
}

fn restorer(base: &Base, log: &LogPath, checkpoints: &Checkpoints) -> Restorer {
    let Base { partitions, disk, .. } = base;
    Restorer {
        shard: base.index,
        shards: base.shards(),
        config: Arc::clone(&base.config),
        table: Rc::clone(&partitions.table),
        tails: Rc::clone(&partitions.tails),
        unreleased: Rc::clone(&partitions.unreleased),
        files: Rc::clone(&disk.files),
        doomed: Rc::clone(&disk.doomed),
        unsynced: Rc::clone(&disk.unsynced),
        flusher: Rc::clone(&log.flusher),
        last_blocks: Rc::clone(&log.last_blocks),
        starts: Rc::clone(&checkpoints.notes),
    }
}

fn tasks(base: &Base, log: LogPath, handlers: Rc<RequestHandlers>) -> Tasks {
    let writer = FrameWriter {
        commit: Rc::clone(&base.commit),
        counters: Rc::clone(&base.counters),
        planted: base.planted,
        fatal: base.fatal(),
    };
    let page_loader =
        PageLoader { files: Rc::clone(&base.disk.files), classes: Rc::clone(&base.disk.classes) };
    let producers = ProducerUpkeep {
        shard: base.index,
        config: Arc::clone(&base.config),
        image: Rc::clone(&base.image),
        table: Rc::clone(&base.partitions.table),
        producers: Rc::clone(&base.partitions.producers),
    };
    Tasks {
        sealer: log.sealer,
        writer: Rc::new(writer),
        zeroing: Rc::new(SlotZeroing { commit: Rc::clone(&base.commit), fatal: base.fatal() }),
        flusher: log.flusher,
        page_loader: Rc::new(page_loader),
        handlers,
        producers: Rc::new(producers),
    }
}
