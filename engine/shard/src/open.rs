//! Opens a shard: replays the journals of the run before, builds the partitions, makes what was only journaled durable
//! in a new generation, and switches to it.
//!
//! Every start begins a new generation of journals; the old one is read only and stays valid until the manifest names
//! the new one. So a crash at any moment of a start leaves one whole generation, whatever the number of shards was.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use millrace_core::base::ids::{Offset, PartitionKey, ShardIndex};
use millrace_core::journal::{
    APPEND_HEAD_BYTES, CheckpointBounds, Checkpoints, FrameSequence, Journal, JournalGeometry,
    RecoveredPartition, WRITES_MAX,
};
use millrace_rt::{Block, File, OpenOptions, Seat, SharedMemory, Sync, fs};

use crate::api::OpenError;
use crate::asks::SlowAsks;
use crate::cache::{LOADERS, ReadCache};
use crate::cleaner::Cleaner;
use crate::commit::Commit;
use crate::compaction::Compaction;
use crate::coordinators::{Groups, group_settings};
use crate::counters::Counters;
use crate::doomed::Doomed;
use crate::egress::EgressBudget;
use crate::engine::{Engine, Facts, Inner};
use crate::files::{DiskMode, SegmentFiles};
use crate::first_files::FirstFiles;
use crate::flusher::{FLUSHERS, Flusher};
use crate::inflating::Inflating;
use crate::layout::{Layout, checkpoint_file, slot_file};
use crate::manifest::{Manifest, Stopped};
use crate::metadata_log::MetadataLog;
use crate::open_files::OpenFiles;
use crate::partition::{Partition, Table};
use crate::prepare::{Prepared, prepare};
use crate::producers::ProducerBound;
use crate::reads_beside::ReadsBeside;
use crate::rebuild::OldJournal;
use crate::retention::Retention;
use crate::rings::{read_ring, remove_old_rings};
use crate::serve::{READERS, SERVERS};
use crate::shard::{Arrivals, Core, Shard};
use crate::shares::{
    CACHE_PARTS, EGRESS_PARTS, GROUP_BYTES_MIN, GROUP_PARTS, PARTS, PRODUCER_PARTS, TAIL_PARTS, WATCH_PARTS,
    share,
};
use crate::space::Space;
use crate::tail_memory::TailMemory;
use crate::unreleased::Unreleased;
use crate::vouching::{Standing, is_there};
use crate::watch::Purgatory;

/// Records in the queue belong to requests, which have bounds of their own, until their time is up; a disk that hangs
/// for longer would let the queue take all memory.
const QUEUE_PARTS: u64 = PARTS / 2;
/// A shard whose memory is smaller still takes some of the largest appends.
const QUEUE_BYTES_MIN: usize = 16 * 1024 * 1024;
/// Zeros are written in pieces of this size, so that commits in between wait for one piece at most.
const ZERO_BYTES: usize = 1024 * 1024;

impl Engine {
    /// Opens this process's shard `seat`; all shards of the engine open together, each on its own core. Returns once
    /// this shard serves.
    pub async fn open(&self, seat: Seat) -> Result<Shard, OpenError> {
        let inner = &self.inner;
        let startup = &inner.startup;
        let mut metadata = None;
        if seat.shard == 0 {
            let prepared = prepare(inner).await;
            startup.publish(prepared.map(|Prepared { facts, metadata: log }| {
                metadata = Some(log);
                facts
            }));
        }
        let facts = startup.facts().await?;
        let index = ShardIndex(seat.shard);
        if let Err(error) = replay_old(inner, &facts, index).await {
            startup.fail(error);
        }
        startup.replayed.arrive().await;
        startup.check()?;
        let opened = self.build(&facts, index, metadata).await;
        if let Err(error) = &opened {
            startup.fail(error.clone());
        }
        startup.built.arrive().await;
        startup.check()?;
        let core = opened?;
        if index.0 == 0 {
            switch(inner, &facts).await.inspect_err(|error| startup.fail(error.clone())).ok();
            startup.switched.open();
        }
        startup.switched.wait().await;
        startup.check()?;
        core.measure_space().await;
        millrace_rt::spawn(Rc::clone(&core).watch_space());
        // Not before: the generation of the run before still knows the files that these delete.
        millrace_rt::spawn(Rc::clone(&core).retain_logs());
        millrace_rt::spawn(Rc::clone(&core).compact_logs());
        millrace_rt::spawn(Rc::clone(&core).delete_files());
        millrace_rt::spawn(Rc::clone(&core).make_first_files());
        millrace_rt::spawn(Rc::clone(&core).run_group_timers());
        millrace_rt::spawn(Rc::clone(&core).load_groups());
        Ok(Shard::new(core))
    }

    async fn build(
        &self,
        facts: &Arc<Facts>,
        index: ShardIndex,
        metadata: Option<MetadataLog>,
    ) -> Result<Rc<Core>, OpenError> {
        let core = Rc::new(self.make_core(facts, index, metadata).await?);
        core.build_partitions(facts, &self.inner).await?;
        Rc::clone(&core).run();
        core.make_durable(FrameSequence::NONE).await;
        // Appends may come from a shard that is open sooner. What the others need may not all be known yet.
        core.measure_space().await;
        Ok(core)
    }

    async fn make_core(
        &self,
        facts: &Facts,
        index: ShardIndex,
        metadata: Option<MetadataLog>,
    ) -> Result<Core, OpenError> {
        let settings = &self.inner.settings;
        let geometry = self.inner.geometry()?;
        let journal_dir = self.inner.layout.shard(facts.new.generation, index);
        let (ring, slots) = make_journal(&self.inner, facts, index, &geometry).await?;
        let journal = Journal::new(index, facts.boot(), geometry);
        let shard_memory = settings.memory_bytes / u64::from(settings.shards);
        Ok(Core {
            index,
            shards: settings.shards,
            config: Arc::clone(&settings.broker),
            boot: facts.boot(),
            journal_dir,
            // The entry of a roll may stand before that of the append.
            append_bytes_max: geometry.append_bytes_max() - APPEND_HEAD_BYTES,
            queue_bytes_max: share(shard_memory, QUEUE_PARTS).max(QUEUE_BYTES_MIN),
            egress: EgressBudget::new(share(shard_memory, EGRESS_PARTS) as u64),
            table: Table::default(),
            commit: Commit::new(journal, ring, slots),
            inflating: Inflating::default(),
            flusher: Flusher::new(),
            tails: TailMemory::new(share(shard_memory, TAIL_PARTS)),
            unreleased: Unreleased::default(),
            cleaning: Cleaner::new(),
            retention: Retention::new(),
            compaction: Compaction::new(facts.new.generation),
            doomed: Doomed::default(),
            space: Space::new(settings.shards, settings.broker.reserve_bytes()),
            files: SegmentFiles::new(
                self.inner.layout.clone(),
                facts.mode,
                facts.systems.clone(),
                OpenFiles::new(self.inner.open_files_max.load(Ordering::Relaxed)),
                ReadCache::new(share(shard_memory, CACHE_PARTS)),
            ),
            reads_beside: ReadsBeside::new(share(shard_memory, CACHE_PARTS)),
            first_files: FirstFiles::new(),
            indexes_due: RefCell::default(),
            checkpoint_number: Cell::new(0),
            image: RefCell::new(Arc::clone(&facts.image)),
            mesh: self.take_end(index.0).attach(),
            metadata,
            producer_ids: RefCell::new(0..0),
            arrivals: Arrivals::default(),
            groups: Groups::new(
                group_settings(&settings.broker, &facts.image),
                &facts.image,
                share(shard_memory, GROUP_PARTS).max(GROUP_BYTES_MIN),
            ),
            purgatory: Purgatory::new(share(shard_memory, WATCH_PARTS)),
            producers: ProducerBound::new(share(shard_memory, PRODUCER_PARTS)),
            reads: SlowAsks::default(),
            slow: SlowAsks::default(),
            counters: Counters::default(),
            engine: Arc::clone(&self.inner),
        })
    }
}

impl Core {
    /// Starts the shard's tasks; they run until the process ends.
    fn run(self: Rc<Core>) {
        millrace_rt::spawn(Rc::clone(&self).seal_frames());
        for _ in 0..WRITES_MAX {
            millrace_rt::spawn(Rc::clone(&self).write_frames());
        }
        millrace_rt::spawn(Rc::clone(&self).clean_slots());
        millrace_rt::spawn(Rc::clone(&self).zero_slots());
        millrace_rt::spawn(Rc::clone(&self).serve_mesh());
        millrace_rt::spawn(Rc::clone(&self).look_after_producers());
        millrace_rt::spawn(Rc::clone(&self).bound_producers());
        millrace_rt::spawn(Rc::clone(&self).vouch_for_changes());
        for _ in 0..FLUSHERS {
            millrace_rt::spawn(Rc::clone(&self).flush_tails());
        }
        for _ in 0..READERS {
            millrace_rt::spawn(Rc::clone(&self).serve_slow(|core| &core.reads));
        }
        for _ in 0..SERVERS {
            millrace_rt::spawn(Rc::clone(&self).serve_slow(|core| &core.slow));
        }
        for _ in 0..LOADERS {
            millrace_rt::spawn(Rc::clone(&self).load_pages());
        }
    }

    /// Makes this shard's partitions from the image and from what was replayed.
    async fn build_partitions(self: &Rc<Core>, facts: &Facts, inner: &Inner) -> Result<(), OpenError> {
        let mine = |partition: &RecoveredPartition| partition.key.owner(self.shards) == self.index;
        let recovered = inner.startup.take(mine);
        let mut recovered: BTreeMap<PartitionKey, RecoveredPartition> =
            recovered.into_iter().map(|partition| (partition.key, partition)).collect();
        for topic in facts.image.topics() {
            let config = Arc::new(facts.image.topic_config(&self.config, topic));
            for partition in &topic.partitions {
                let key = PartitionKey::new(topic.id, partition.index);
                if key.owner(self.shards) != self.index {
                    continue;
                }
                let name = Arc::clone(&topic.name);
                let mut empty = Partition::empty(key, name, Arc::clone(&config), partition.leader_epoch);
                let is_clean = facts.old.as_ref().is_none_or(|old| old.stopped == Stopped::Clean);
                let has_records = recovered.get(&key).is_some_and(|found| found.log_end > Offset::ZERO);
                empty.owns_no_files = is_clean && !has_records && !facts.deleted.has_name(&topic.name);
                let mut extent_ends = Vec::new();
                match recovered.remove(&key) {
                    None => self.table.insert(empty),
                    Some(mut found) => {
                        extent_ends = std::mem::take(&mut found.extent_ends);
                        self.restore(empty, found).await?;
                    }
                }
                if facts.old.as_ref().is_some_and(|old| old.stopped == Stopped::Unclean) {
                    self.cut_leftovers(key, &extent_ends).await?;
                } else {
                    self.trust_noted_start(key);
                }
            }
        }
        // What is left belonged to topics that were deleted.
        Ok(())
    }

    /// Zeroes the slots behind the first ahead of their use: a durable write over written extents takes half the time.
    async fn zero_slots(self: Rc<Core>) {
        let geometry = *self.commit.journal.borrow().geometry();
        for slot in 1..geometry.slot_count() {
            if let Some(file) = self.commit.slot_file(slot)
                && let Err(error) = zero(file, geometry.slot_bytes()).await
            {
                self.fail(format!("a journal slot could not be prepared: {error}")).await;
            }
            self.commit.slots_prepared(slot + 1);
        }
    }
}

/// Makes the ring and the slots of this shard's new journal; the first slot is ready for use.
async fn make_journal(
    inner: &Inner,
    facts: &Facts,
    index: ShardIndex,
    geometry: &JournalGeometry,
) -> Result<(SharedMemory, Vec<File>), OpenError> {
    let dir = inner.layout.shard(facts.new.generation, index);
    let failed = |action: &'static str| {
        move |(path, error): (PathBuf, std::io::Error)| OpenError::io(action, &path, &error)
    };
    fs::create_dir_all(&dir).await.map_err(|error| failed("create the directory")((dir.clone(), error)))?;
    let mut slots = Vec::with_capacity(geometry.slot_count());
    for number in 0..geometry.slot_count() {
        let path = slot_file(&dir, number);
        let direct = facts.mode == DiskMode::Direct;
        let options = OpenOptions { create: true, write: true, direct, ..OpenOptions::default() };
        let made = async {
            let file = File::open(&path, options).await?;
            // A slot that is short lost bytes: the manifest, which comes later, says how long each is.
            file.truncate(geometry.slot_bytes() as u64).await?;
            file.allocate(0, geometry.slot_bytes() as u64).await?;
            match number {
                0 => zero(&file, geometry.slot_bytes()).await?,
                _ => file.sync_data().await?,
            }
            Ok(file)
        };
        slots.push(made.await.map_err(|error| failed("prepare the journal slot")((path.clone(), error)))?);
    }
    let made_dir = fs::sync_dir(&dir).await;
    made_dir.map_err(|error| failed("sync the directory")((dir.clone(), error)))?;
    let path = facts.new.ring(&inner.layout, index);
    let ring = SharedMemory::create(&path, geometry.ring_bytes()).await;
    let ring = ring.map_err(|error| failed("create the journal's ring")((path, error)))?;
    Ok((ring, slots))
}

async fn zero(file: &File, bytes: usize) -> std::io::Result<()> {
    let mut block = Block::with_capacity(ZERO_BYTES);
    block.as_mut_slice().fill(0);
    let zeros = block.freeze();
    let mut at = 0;
    while at < bytes {
        let length = zeros.len().min(bytes - at);
        file.write_all_at(at as u64, zeros.slice(..length), Sync::None).await?;
        at += length;
    }
    file.sync_data().await
}

/// Replays every old journal whose number falls to this shard, whoever owns its partitions now.
async fn replay_old(inner: &Inner, facts: &Facts, index: ShardIndex) -> Result<(), OpenError> {
    let Some(old) = &facts.old else { return Ok(()) };
    for shard in (index.0..old.shards).step_by(usize::from(inner.settings.shards)) {
        let recovered = replay_journal(inner, facts, old, ShardIndex(shard)).await?;
        inner.startup.give(recovered);
    }
    Ok(())
}

async fn replay_journal(
    inner: &Inner,
    facts: &Facts,
    old: &Manifest,
    shard: ShardIndex,
) -> Result<Vec<RecoveredPartition>, OpenError> {
    let dir = inner.layout.shard(old.generation, shard);
    let first = read_if_there(checkpoint_file(&dir, 0)).await?;
    let second = read_if_there(checkpoint_file(&dir, 1)).await?;
    let checkpoints = Checkpoints::choose([first.as_deref(), second.as_deref()]);
    for fault in checkpoints.faults.iter().flatten() {
        tracing::warn!(%shard, %fault, "a checkpoint is damaged");
    }
    let mut slots = Vec::new();
    for number in 0..usize::from(old.slots) {
        let path = slot_file(&dir, number);
        let bytes = fs::read(&path).await.map_err(|error| OpenError::io("read", &path, &error))?;
        slots.push(Bytes::from(bytes));
    }
    let ring = read_ring(inner, facts, old, shard).await?;
    let ring_file = old.ring(&inner.layout, shard);
    let data_dir = inner.layout.data().to_path_buf();
    let bounds = CheckpointBounds::of([first.as_deref(), second.as_deref()], shard, old.boot);
    let Manifest { boot, shards, .. } = *old;
    let metadata_log = inner.layout.metadata_log();
    let journal =
        OldJournal { shard, boot, shards, dir, slots, ring, ring_file, bounds, data_dir, metadata_log };
    let lacks_one = checkpoints.faults.iter().any(Option::is_some) || first.is_none() || second.is_none();
    let replayed = match checkpoints.newest {
        Some(newest) => match journal.replay(Some(newest), facts.known()) {
            // Perhaps it is that the one damaged or missing was the newer, and frames that it made needless are gone.
            Err(_) if lacks_one => None,
            replayed => Some(replayed?),
        },
        None => None,
    };
    match replayed {
        Some(replayed) => Ok(replayed),
        None => journal.rebuild(&inner.layout, &facts.systems, facts.known()).await,
    }
}

async fn read_if_there(path: PathBuf) -> Result<Option<Vec<u8>>, OpenError> {
    if !is_there(&path).await? {
        return Ok(None);
    }
    fs::read(&path).await.map(Some).map_err(|error| OpenError::io("read", &path, &error))
}

/// Names the new generation as the valid one, then removes what the old one left.
async fn switch(inner: &Inner, facts: &Facts) -> Result<(), OpenError> {
    let layout = &inner.layout;
    let dirs = [layout.generation(facts.new.generation), layout.journals().to_path_buf()];
    for dir in &dirs {
        fs::sync_dir(dir).await.map_err(|error| OpenError::io("sync the directory", dir, &error))?;
    }
    let path = layout.manifest();
    let encoded = facts.new.encode().into_bytes();
    fs::replace(&path, encoded).await.map_err(|error| OpenError::io("write", &path, &error))?;
    let Some(old) = facts.old.clone() else { return Ok(()) };
    let (layout, directory) = (layout.clone(), facts.new.directory);
    // At once: the next manifest does not say any more where they are.
    remove_old_rings(&layout, &old, directory).await;
    // Before any shard serves: a topic created later may have the name of one whose files are to go.
    let deleted = put_strangers_aside(&layout, facts).await?;
    millrace_rt::spawn(async move {
        let generation = layout.generation(old.generation);
        if let Err(error) = fs::remove_dir_all(&generation).await {
            tracing::warn!(path = %generation.display(), %error, "an old journal is still there");
        }
        for path in deleted {
            if let Err(error) = fs::remove_dir_all(&path).await {
                tracing::warn!(path = %path.display(), %error, "a deleted topic's files are still there");
            }
        }
    });
    Ok(())
}

/// Renames the directories that are of no partition: of a topic that was deleted before a crash, so that no power loss
/// brings its name back, and those that nothing knows, which stay. Answers what is to be removed.
async fn put_strangers_aside(layout: &Layout, facts: &Facts) -> Result<Vec<PathBuf>, OpenError> {
    let topics = layout.topics();
    let entries =
        fs::read_dir(&topics).await.map_err(|error| OpenError::io("read the directory", &topics, &error))?;
    let (known, start) = (facts.known(), facts.new.generation);
    let (mut deleted, mut has_renamed) = (Vec::new(), false);
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let path = topics.join(&entry.name);
        let target = match known.standing(&entry.name) {
            Standing::Known | Standing::LeftAlone => continue,
            Standing::SetAside => {
                deleted.push(path);
                continue;
            }
            Standing::Deleted => layout.put_aside_deleted(&entry.name, start),
            Standing::Unknown => {
                let target = layout.unknown(&entry.name, millrace_rt::wall_now_ms());
                tracing::error!(
                    path = %path.display(), put_aside = %target.display(),
                    "neither the metadata log nor a journal knows this directory; it is put aside, with all that it holds"
                );
                target
            }
        };
        fs::rename(&path, &target).await.map_err(|error| OpenError::io("put aside", &path, &error))?;
        has_renamed = true;
        if known.standing(&entry.name) == Standing::Deleted {
            deleted.push(target);
        }
    }
    if has_renamed || !deleted.is_empty() {
        fs::sync_dir(&topics).await.map_err(|error| OpenError::io("sync the directory", &topics, &error))?;
    }
    Ok(deleted)
}
