//! Compaction: looks for the log that is dirtiest and compacts it, one at a time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::{BrokerConfig, TopicConfig};
use millrace_core::base::ids::{Offset, ProducerId, TimestampMs};
use millrace_core::log::batch::Batch;
use millrace_core::log::compaction::{
    CompactionRules, DirtyLog, DirtySegment, KEY_SLOT_BYTES, KeyMap, MapBuild, Mapped, Reach, SegmentGroup,
    Survival, group_segments,
};

use crate::checkpoint::releasing::Release;
use crate::compaction::cleaned_notes::CleanedNotes;
use crate::compaction::compacted_file::{CompactedFile, CompactionIo, GivenUp, SegmentReader};
use crate::compaction::state::{Compaction, CompactionCounts, IoPace};
use crate::compaction::swapper::Swapper;
use crate::files::read::read_range;
use crate::image::CurrentImage;
use crate::partition::segment::Stage;
use crate::partition::state::{Partition, PartitionRef};
use crate::partition::table::Table;
use crate::partition::unreleased::Unreleased;

/// Longer pauses would not fit the clock.
const PAUSE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// Partitions looked at before other tasks run.
const PARTITIONS_PER_TURN: usize = 64;
/// A log whose disk failed or was full is left alone for so long.
const RETRY_PAUSE: Duration = Duration::from_secs(60);
/// Key maps have at most this part of a shard's memory, whatever `log.cleaner.dedupe.buffer.size` says.
const MEMORY_PART: u64 = 8;

/// A log that is to be compacted, and what of it.
struct DueLog {
    partition: PartitionRef,
    reach: Reach,
}

/// What a pass over a log goes by.
struct Pass {
    pace: IoPace,
    keys: KeyMap,
    producers: BTreeMap<ProducerId, Offset>,
    now: TimestampMs,
    delete_retention_ms: i64,
}

/// What a search saw of all logs.
#[derive(Default)]
struct Seen {
    percent: u64,
    bytes: u64,
    delay_ms: u64,
    uncleanable_bytes: u64,
}

impl Seen {
    fn publish(&self, counts: &CompactionCounts) {
        counts.backlog.dirty_percent.set(self.percent);
        counts.backlog.dirty_bytes.set(self.bytes);
        counts.backlog.delay_ms.set(self.delay_ms);
        counts.backlog.uncleanable_bytes.set(self.uncleanable_bytes);
    }
}

/// A log as it was when its pass began.
struct LogView {
    segments: Vec<DirtySegment>,
    end: Offset,
}

impl LogView {
    fn dirty_log(&self, cleaned_to: Offset) -> DirtyLog<'_> {
        DirtyLog { segments: &self.segments, end: self.end, cleaned_to }
    }
}

/// Compacts the logs of one shard, one at a time. Driven by one task.
pub(crate) struct LogCompactor {
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) image: Rc<CurrentImage>,
    pub(crate) table: Rc<Table>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) release: Rc<Release>,
    pub(crate) compaction: Rc<Compaction>,
    pub(crate) io: CompactionIo,
    pub(crate) notes: CleanedNotes,
    pub(crate) swapper: Swapper,
    pub(crate) memory: MapMemory,
    /// When this run began; nothing that it found was written later.
    pub(crate) opened: TimestampMs,
}

/// What bounds the key map, besides the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MapMemory {
    /// Of the shard.
    pub(crate) shard_bytes: u64,
    pub(crate) shards: u16,
}

impl LogCompactor {
    /// Compacts logs as they become due. Runs until the shard ends.
    pub(crate) async fn run(self: Rc<Self>) {
        while !self.compaction.shutdown.is_asked() {
            let settings = self.compaction_settings();
            let found = if settings.enabled { self.dirtiest_log().await } else { None };
            match found {
                Some(due) if !self.compaction.shutdown.is_asked() => self.compact_log(due).await,
                _ if self.compaction.shutdown.is_asked() => {}
                _ => {
                    millrace_rt::timeout(settings.backoff.min(PAUSE_MAX), self.compaction.look.wait()).await;
                }
            }
        }
        self.compaction.shutdown.done();
    }

    fn compaction_settings(&self) -> CompactionSettings {
        let image = self.image.get();
        let layers = image.config_layers(&self.config);
        CompactionSettings {
            enabled: self.config.cleaner_enabled(),
            backoff: layers.cleaner_backoff(),
            bytes_per_second: layers.cleaner_io_bytes_per_second(),
            map_bytes: layers.cleaner_dedupe_buffer_bytes(),
            load_factor: layers.cleaner_load_factor(),
        }
    }

    /// The log that is due whose share of dirty bytes is the largest.
    async fn dirtiest_log(&self) -> Option<DueLog> {
        // Otherwise a segment that ended would wait until the journal is cleaned.
        if self.unreleased.all().iter().any(|partition| waits_for_sync(&partition.borrow())) {
            self.release.release_written().await;
        }
        let now = TimestampMs(millrace_rt::wall_now_ms());
        let mut dirtiest: Option<DueLog> = None;
        let mut seen = Seen::default();
        for (place, partition) in self.table.all().iter().enumerate() {
            if self.compaction.shutdown.is_asked() {
                return None;
            }
            if place % PARTITIONS_PER_TURN == 0 {
                millrace_rt::yield_now().await;
            }
            if !is_looked_at(&partition.borrow()) {
                continue;
            }
            let cleaned_to = self.notes.cleaned_to(partition).await;
            let (rules, view) = dirty_view(&partition.borrow(), now, self.opened);
            let log = view.dirty_log(cleaned_to);
            let reach = log.reach(&rules, now);
            if partition.borrow().directory.compacted.is_damaged {
                seen.uncleanable_bytes += reach.dirty_bytes;
                continue;
            }
            seen.percent = seen.percent.max((reach.dirty_ratio() * 100.0) as u64);
            seen.bytes += reach.dirty_bytes;
            let earliest = match rules.max_lag_ms {
                i64::MAX => None,
                _ => self.earliest_time(partition, log.dirty_segments(&reach)).await,
            };
            seen.delay_ms = seen.delay_ms.max(reach.delay_ms(&rules, earliest, now));
            let is_more = dirtiest.as_ref().is_none_or(|it| reach.dirty_ratio() > it.reach.dirty_ratio());
            if is_more && reach.is_due(&rules, earliest, now) {
                dirtiest = Some(DueLog { partition: Rc::clone(partition), reach });
            }
        }
        seen.publish(&self.compaction.counts);
        dirtiest
    }

    /// The least time of a first batch of these segments.
    async fn earliest_time(
        &self,
        partition: &PartitionRef,
        segments: &[DirtySegment],
    ) -> Option<TimestampMs> {
        const HEADER_BYTES: u64 = 61;
        let mut earliest: Option<TimestampMs> = None;
        for segment in segments.iter().filter(|segment| segment.size >= HEADER_BYTES) {
            let at = partition.borrow().segment_at(segment.base);
            let Ok(pieces) = read_range(&self.io.files, partition, at, 0, HEADER_BYTES).await else {
                continue;
            };
            let Ok(Some(batch)) = pieces.batch_at(0) else { continue };
            let time = batch.header.max_timestamp;
            if time.0 > 0 {
                earliest = Some(earliest.map_or(time, |earliest| earliest.min(time)));
            }
        }
        earliest
    }

    async fn compact_log(&self, due: DueLog) {
        let begun = millrace_rt::now();
        let DueLog { partition, reach } = due;
        let outcome = self.compact(&partition, &reach).await;
        let took = millrace_rt::now() - begun;
        let counts = &self.compaction.counts;
        let (topic, number) = {
            let partition = partition.borrow();
            (Arc::clone(&partition.topic), partition.key.partition)
        };
        match outcome {
            Ok(to) => {
                counts.passes.count.increment();
                counts.passes.nanos.add(took.as_nanos() as u64);
                counts.passes.last_nanos.set(took.as_nanos() as u64);
                self.notes.note(&partition, to).await;
                tracing::info!(%topic, partition = %number, from = %reach.dirty, %to, ?took, "a log was compacted");
            }
            Err(GivenUp::Overtaken) => {}
            Err(GivenUp::Damaged(reason)) => {
                counts.backlog.uncleanable.increment();
                partition.borrow_mut().directory.compacted.is_damaged = true;
                tracing::error!(%topic, partition = %number, %reason, "a damaged log is not compacted any more");
            }
            Err(GivenUp::Disk(error)) => {
                counts.passes.given_up.increment();
                partition.borrow_mut().directory.compacted.again = Some(millrace_rt::now() + RETRY_PAUSE);
                tracing::warn!(%topic, partition = %number, %error, "a compaction was given up; the log stays as it is");
            }
        }
    }

    /// One pass over a log. Returns up to where it is compacted then.
    async fn compact(&self, partition: &PartitionRef, reach: &Reach) -> Result<Offset, GivenUp> {
        let settings = self.compaction_settings();
        let now = TimestampMs(millrace_rt::wall_now_ms());
        let (_, view) = dirty_view(&partition.borrow(), now, self.opened);
        let pace = IoPace::new(settings.bytes_per_second);
        let keys = self.learn_keys(partition, &view, reach, &settings, &pace).await?;
        let to = keys.latest().map_or(reach.end, |latest| latest.next().min(reach.end));
        let (producers, bytes_max, delete_retention_ms) = {
            let partition = partition.borrow();
            let config = &partition.config;
            let bytes_max = u64::from(config.segment_bytes.unsigned_abs());
            (partition.history.producers.last_offsets(), bytes_max, config.delete_retention_ms)
        };
        let pass = Pass { pace, keys, producers, now, delete_retention_ms };
        let log = view.dirty_log(reach.dirty);
        for group in group_segments(&log, to, bytes_max) {
            self.compact_group(partition, &view, &group, &pass).await?;
        }
        Ok(to)
    }

    /// The last offset of each key in the dirty part, as far as the memory goes.
    async fn learn_keys(
        &self,
        partition: &PartitionRef,
        view: &LogView,
        reach: &Reach,
        settings: &CompactionSettings,
        pace: &IoPace,
    ) -> Result<KeyMap, GivenUp> {
        let (slots, keys_max) = self.map_size(settings, reach);
        let mut build = MapBuild::new(reach.dirty, KeyMap::new(slots, keys_max));
        let ends = view.segments.iter().skip(1).map(|next| next.base).chain([view.end]);
        let dirty = view
            .segments
            .iter()
            .zip(ends)
            .filter(|(segment, end)| *end > reach.dirty && segment.base < reach.end);
        'segments: for (segment, _) in dirty {
            let mut reader = SegmentReader::open(&self.io, partition, segment.base, pace).await?;
            while reader.advance().await? {
                if build.take(&reader.batch()?).map_err(GivenUp::damaged)? == Mapped::Full {
                    break 'segments;
                }
            }
        }
        let keys = build.finish();
        self.compaction.counts.passes.map_percent.set((keys.len() * 100 / slots) as u64);
        Ok(keys)
    }

    /// Places of the key map and how many are used: no more than the dirty offsets need.
    fn map_size(&self, settings: &CompactionSettings, reach: &Reach) -> (usize, usize) {
        let MapMemory { shard_bytes, shards } = self.memory;
        let bytes = (settings.map_bytes / u64::from(shards)).min(shard_bytes / MEMORY_PART);
        let most = usize::try_from(bytes).unwrap_or(usize::MAX) / KEY_SLOT_BYTES;
        let factor = if settings.load_factor > 0.0 { settings.load_factor.min(1.0) } else { 1.0 };
        let offsets = usize::try_from(reach.end.0 - reach.dirty.0).unwrap_or(usize::MAX);
        let wanted = (offsets as f64 / factor) as usize;
        let slots = wanted.saturating_add(2).min(most.max(2));
        (slots, (slots as f64 * factor) as usize)
    }

    /// Writes what segments become together, and puts it into their place where that changes anything.
    async fn compact_group(
        &self,
        partition: &PartitionRef,
        view: &LogView,
        group: &SegmentGroup,
        pass: &Pass,
    ) -> Result<(), GivenUp> {
        let survival = Survival {
            keys: &pass.keys,
            producers: &pass.producers,
            now: pass.now,
            delete_retention_ms: pass.delete_retention_ms,
        };
        let bases: Vec<Offset> = view
            .segments
            .get(group.places.clone())
            .unwrap_or_default()
            .iter()
            .map(|segment| segment.base)
            .collect();
        let mut file = CompactedFile::create(&self.io, partition, group.base).await?;
        let written = self.write_group(partition, &bases, &survival, &mut file, &pass.pace).await;
        let is_new = match written {
            Ok(()) => file.output.totals().is_changed || bases.len() > 1,
            Err(_) => false,
        };
        if is_new && file.output.next_offset() == group.end {
            return self.swapper.swap(partition, &bases, group.end, file).await;
        }
        file.remove().await;
        written
    }

    async fn write_group(
        &self,
        partition: &PartitionRef,
        bases: &[Offset],
        survival: &Survival<'_>,
        file: &mut CompactedFile,
        pace: &IoPace,
    ) -> Result<(), GivenUp> {
        for base in bases {
            let mut reader = SegmentReader::open(&self.io, partition, *base, pace).await?;
            while reader.advance().await? {
                let batch: Batch<'_> = reader.batch()?;
                let outcome = survival.of(&batch).map_err(GivenUp::damaged)?;
                file.take(&batch, &outcome)?;
                file.write_what_is_due(&self.io, pace).await?;
            }
        }
        file.finish(&self.io, pace).await
    }
}

/// What the broker's configuration says of compaction now.
struct CompactionSettings {
    enabled: bool,
    backoff: Duration,
    bytes_per_second: f64,
    map_bytes: u64,
    load_factor: f64,
}

fn rules_of(config: &TopicConfig) -> CompactionRules {
    CompactionRules {
        min_dirty_ratio: config.min_cleanable_dirty_ratio,
        min_lag_ms: config.min_compaction_lag_ms,
        max_lag_ms: config.max_compaction_lag_ms,
    }
}

fn may_be_compacted(partition: &Partition) -> bool {
    is_looked_at(partition) && !partition.directory.compacted.is_damaged
}

/// One with a damaged batch only so that it is known how much is left in it.
fn is_looked_at(partition: &Partition) -> bool {
    let compacted = &partition.directory.compacted;
    partition.config.compact
        && !partition.is_removed()
        && partition.segments.len() > 1
        && compacted.again.is_none_or(|again| again <= millrace_rt::now())
}

/// Whether a segment that may be compacted is whole in its file, and not known to be hard there.
fn waits_for_sync(partition: &Partition) -> bool {
    may_be_compacted(partition)
        && partition.segments.iter().any(|segment| segment.stage == Stage::Finished && !segment.is_exact())
}

/// The segments that take no more appends, are hard in their files and visible, from the log's first on.
fn dirty_view(partition: &Partition, now: TimestampMs, opened: TimestampMs) -> (CompactionRules, LogView) {
    let mut view = LogView { segments: Vec::new(), end: Offset::ZERO };
    let staying = partition.segments.iter().zip(partition.segments.iter().skip(1));
    for (segment, next) in staying.skip_while(|(segment, _)| partition.is_going(segment.base)) {
        view.end = segment.base;
        let is_hard = segment.stage == Stage::Finished
            && segment.is_exact()
            && segment.file.released == segment.length()
            && next.base <= partition.ends.high_watermark;
        if !is_hard {
            return (rules_of(&partition.config), view);
        }
        let max_timestamp = segment.latest_time(Some(next), now, opened);
        let size = segment.length();
        view.segments.push(DirtySegment { base: segment.base, size, max_timestamp });
        view.end = next.base;
    }
    (rules_of(&partition.config), view)
}
