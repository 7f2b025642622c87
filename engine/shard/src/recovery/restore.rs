//! Builds one partition from what checkpoint and journal left of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::{
    Offset, PartitionKey, Position, ProducerEpoch, ProducerId, Sequence, ShardIndex, TimestampMs,
};
use millrace_core::journal::{
    CompactedSegment, ExtentPiece, FrameSequence, Observation, ProducerCheckpoint, RecoveredPartition,
};
use millrace_core::log::producers::{AppendedBatch, ProducerSnapshot};
use millrace_core::log::{EpochEntry, EpochLineage, ProducerWindows, SegmentName};
use millrace_rt::{File, OpenOptions, Sync, fs};

use crate::api::OpenError;
use crate::append::last_block::LastBlocks;
use crate::checkpoint::noted_start::{StartNotes, noted_start};
use crate::directory::file_systems::Unsynced;
use crate::directory::layout::{CLEANED_SUFFIX, INDEX_SUFFIX, UNFINISHED_INDEX_SUFFIX, segment_file};
use crate::directory::manifest::Stopped;
use crate::directory::vouching::{is_there, length_if_there};
use crate::files::doomed::DELETED_FILE_SUFFIX;
use crate::files::doomed::Doomed;
use crate::files::indexes::leave_indexes;
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::TailFlusher;
use crate::partition::segment::{FileState, Segment, Stage};
use crate::partition::state::{Directory, Mark, Partition, PartitionRef, SealedStart};
use crate::partition::table::Table;
use crate::partition::tail::{Tail, block_floor};
use crate::partition::tail_memory::TailMemory;
use crate::partition::unreleased::Unreleased;
use crate::recovery::engine::{Facts, Inner};
use crate::recovery::settle::{Settled, settle_swap};

/// Builds the partitions of one shard as it opens.
pub(crate) struct Restorer {
    pub(crate) shard: ShardIndex,
    pub(crate) shards: u16,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) table: Rc<Table>,
    pub(crate) tails: Rc<TailMemory>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) doomed: Rc<Doomed>,
    pub(crate) unsynced: Rc<Unsynced>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) last_blocks: Rc<LastBlocks>,
    pub(crate) starts: Rc<StartNotes>,
}

impl Restorer {
    /// Makes this shard's partitions from the image and from what was replayed.
    pub(crate) async fn build_partitions(&self, facts: &Facts, inner: &Inner) -> Result<(), OpenError> {
        let mine = |partition: &RecoveredPartition| partition.key.owner(self.shards) == self.shard;
        let recovered = inner.startup.take(mine);
        let mut recovered: BTreeMap<PartitionKey, RecoveredPartition> =
            recovered.into_iter().map(|partition| (partition.key, partition)).collect();
        for topic in facts.image.topics() {
            let config = Arc::new(facts.image.topic_config(&self.config, topic));
            for partition in &topic.partitions {
                let key = PartitionKey::new(topic.id, partition.index);
                if key.owner(self.shards) != self.shard {
                    continue;
                }
                let name = Arc::clone(&topic.name);
                let mut empty = Partition::empty(key, name, Arc::clone(&config), partition.leader_epoch);
                let is_clean = facts.old.as_ref().is_none_or(|old| old.stopped == Stopped::Clean);
                let has_records =
                    recovered.get(&key).is_some_and(|found| found.log_end_offset > Offset::ZERO);
                empty.directory.owns_no_files =
                    is_clean && !has_records && !facts.deleted.has_name(&topic.name);
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
                    self.starts.trust(key);
                }
            }
        }
        // What is left belonged to topics that were deleted.
        Ok(())
    }

    /// Fills an empty partition and puts it into the table.
    async fn restore(
        &self,
        mut partition: Partition,
        mut found: RecoveredPartition,
    ) -> Result<(), OpenError> {
        let key = partition.key;
        let dir = self.files.layout().partition(&partition.topic, key.partition);
        let corrupt = |reason: String| OpenError::Corrupt(dir.clone(), reason);
        let compacted = settle_swaps(self.files.layout().data(), &dir, &mut found).await?;
        partition.segments = self.restore_segments(&dir, &found, &compacted).await?;
        partition.ends.log_start_offset = found.log_start_offset;
        let first = partition.segments.first().map_or(found.log_start_offset, |first| first.base);
        partition.ends.sealed_start = SealedStart::hard(found.log_start_offset, first);
        // A log all of whose files are deleted has its directory all the same.
        let has_directory = partition.segments.iter().any(|segment| segment.has_file())
            || (found.log_start_offset > Offset::ZERO && is_there(&dir).await?);
        if has_directory {
            partition.directory.state = Directory::There;
        }
        partition.ends.log_end_offset = found.log_end_offset;
        (partition.history.epochs, partition.history.producers) = history(&found).map_err(corrupt)?;
        self.table.insert(partition);
        let Some(shared) = self.table.get(key) else { return Ok(()) };
        let mut extents = found.extents.iter().peekable();
        for piece in &found.tails {
            let place = (piece.segment, piece.position);
            while let Some(extent) = extents.next_if(|extent| (extent.segment, extent.position) < place) {
                self.restore_extent(&shared, extent).await.map_err(corrupt)?;
            }
            self.restore_tail(&shared, piece.segment, piece.position, &piece.bytes).await.map_err(corrupt)?;
        }
        for extent in extents {
            self.restore_extent(&shared, extent).await.map_err(corrupt)?;
        }
        let mut partition = shared.borrow_mut();
        self.unreleased.note(&shared, &mut partition);
        leave_indexes(&mut partition);
        restore_facts(&mut partition, &found).map_err(corrupt)?;
        for new in &compacted {
            restore_compacted(&mut partition, new).map_err(corrupt)?;
        }
        partition.ends.high_watermark = found.log_end_offset;
        partition.ends.visible = partition.end();
        let active = partition.active();
        if found.end.0 != active.length() || !active_is(active, &found) {
            return Err(corrupt(format!("the log ends at byte {}, not {}", active.length(), found.end)));
        }
        if !found.tails.is_empty() || !found.extents.is_empty() {
            let end = partition.end();
            partition.marks.push_back(Mark { frame: FrameSequence::NONE, end });
        }
        partition.check_whole();
        self.flusher.queue_flush(&shared, &mut partition);
        Ok(())
    }

    /// Takes away what an unclean end left of bytes that are in no journal: they were written ahead of their
    /// frame, and nobody was told of them. The generation before is the valid one yet:
    /// what it may know of the file alone stays.
    async fn cut_leftovers(
        &self,
        key: PartitionKey,
        extent_ends: &[(Offset, Position)],
    ) -> Result<(), OpenError> {
        let Some(partition) = self.table.get(key) else { return Ok(()) };
        // What a crash left of a partition that has no byte in files goes when its first file is made.
        if partition.borrow().directory.state == Directory::Missing {
            return Ok(());
        }
        let dir = self.files.partition_dir(&partition);
        let entries =
            fs::read_dir(&dir).await.map_err(|error| OpenError::io("read the directory", &dir, &error))?;
        for entry in entries {
            let path = dir.join(&entry.name);
            if let Some(found) = noted_start(&entry.name) {
                let goes = partition.borrow_mut().found_noted_start(&dir, found);
                if let Some(path) = goes {
                    let removed = fs::remove_file(&path).await;
                    removed.map_err(|error| OpenError::io("remove what a crash left of", &path, &error))?;
                    self.unsynced.note();
                }
                continue;
            }
            let cut = match leftover(&partition, &entry.name, extent_ends) {
                Leftover::Nothing => Ok(false),
                Leftover::Behind(length) => cut_to(&path, length).await,
                Leftover::Everything => fs::remove_file(&path).await.map(|()| true),
                Leftover::Deleted => {
                    self.doomed.hold(path.clone());
                    Ok(false)
                }
            };
            if cut.map_err(|error| OpenError::io("remove what a crash left of", &path, &error))? {
                // After a clean stop nobody looks for leftovers:
                // it must not be the power that brings them back.
                self.unsynced.note();
            }
        }
        Ok(())
    }

    async fn restore_segments(
        &self,
        dir: &Path,
        found: &RecoveredPartition,
        compacted: &[CompactedSegment],
    ) -> Result<Vec<Segment>, OpenError> {
        let mut segments = Vec::with_capacity(found.segments.len().max(1));
        let durable = found.durable_segment.unwrap_or(Offset::NONE);
        let last = found.segments.last().copied();
        for &base in &found.segments {
            let stage = if Some(base) == last { Stage::Active } else { Stage::Rolled };
            let segment = if base < durable {
                let told = found.told_length(base, compacted);
                let in_file = self.require_length(dir, base, told.unwrap_or(0)).await?;
                // A file that compaction wrote holds nothing else: `restore_compacted` compares the lengths.
                let is_compacted = compacted.iter().any(|new| new.segment == base);
                let length = told.filter(|_| !is_compacted).unwrap_or(in_file);
                let rolled_now = found.lengths.iter().any(|(rolled, _)| *rolled == base);
                Segment::on_disk(base, length, if rolled_now { stage } else { Stage::Finished })
            } else if base == durable && found.durable.0 > 0 {
                self.require_length(dir, base, found.durable.0).await?;
                Segment::on_disk(base, found.durable.0, stage)
            } else {
                Segment { stage, ..Segment::new(base) }
            };
            segments.push(segment);
        }
        if segments.is_empty() {
            segments.push(Segment::new(found.log_end_offset));
        }
        Ok(segments)
    }

    /// Returns how long a segment's file is; one that lacks some of its `told` bytes is refused.
    async fn require_length(&self, dir: &Path, base: Offset, told: u64) -> Result<u64, OpenError> {
        let file = segment_file(dir, base);
        let what = match length_if_there(&file).await? {
            Some(length) if length >= told => return Ok(length),
            Some(length) => {
                format!("this segment has {length} bytes; the journal says that {told} were written")
            }
            None => format!("this segment is missing; the journal says that {told} bytes of it were written"),
        };
        let data_dir = self.files.layout().data().to_path_buf();
        Err(OpenError::Missing { file, what, data_dir })
    }

    /// Puts bytes of the journal back into the tail, behind the partial block that the file has.
    async fn restore_tail(
        &self,
        shared: &PartitionRef,
        base: Offset,
        position: Position,
        bytes: &[u8],
    ) -> Result<(), String> {
        let needs_block = {
            let mut partition = shared.borrow_mut();
            let segment = partition.segment_mut(base).ok_or("the journal names an unknown segment")?;
            if segment.length() != position.0 {
                return Err(format!(
                    "the journal continues at byte {position}, the log ends at {}",
                    segment.length()
                ));
            }
            segment.tail.is_empty() && position.0 != block_floor(position.0)
        };
        if needs_block {
            self.last_blocks.read_back(shared, base).await?;
        }
        let mut partition = shared.borrow_mut();
        let segment = partition.segment_mut(base).ok_or("the journal names an unknown segment")?;
        let before = segment.tail.memory_bytes();
        segment.tail.append(bytes, self.tails.growth());
        self.tails.grew(segment.tail.memory_bytes() - before);
        self.tails.note_dirty(shared, &mut partition);
        Ok(())
    }

    /// Goes on behind bytes that are hard in the segment's file. What the journal has of those before them
    /// may not be: it is written now, since a tail has no holes.
    async fn restore_extent(&self, shared: &PartitionRef, extent: &ExtentPiece) -> Result<(), String> {
        let (base, start, end) = (extent.segment, extent.position.0, extent.position.0 + extent.length);
        let before = {
            let mut partition = shared.borrow_mut();
            partition.directory.state = Directory::There;
            let segment = partition.segment_mut(base).ok_or("the journal names an unknown segment")?;
            if segment.length() != start || !(segment.tail.is_empty() || start == block_floor(start)) {
                return Err(format!(
                    "an extent begins at byte {start}, the log ends at {}",
                    segment.length()
                ));
            }
            segment.file_is(FileState::Linked);
            let from = segment.file.written;
            if segment.tail.is_empty() { Vec::new() } else { vec![(from, segment.tail.view(from, start))] }
        };
        let file = self.files.open_for_write(shared, base).await.map_err(|error| error.to_string())?;
        let length = file.len().await.map_err(|error| error.to_string())?;
        if length < end {
            return Err(format!("the segment {base} has {length} bytes, the journal knows {end}"));
        }
        for (mut at, pieces) in before {
            for piece in pieces {
                let bytes = piece.len() as u64;
                file.write_all_at(at, piece, Sync::None).await.map_err(|error| error.to_string())?;
                at += bytes;
            }
        }
        let mut partition = shared.borrow_mut();
        let segment = partition.segment_mut(base).ok_or("the journal names an unknown segment")?;
        self.tails.shrank(segment.tail.release_all());
        segment.tail = Tail::ending_at(end);
        (segment.file.written, segment.file.inherited) = (end, end);
        Ok(())
    }
}

/// Ends the swaps that the journal tells of; returns those that are done.
async fn settle_swaps(
    data_dir: &Path,
    dir: &Path,
    found: &mut RecoveredPartition,
) -> Result<Vec<CompactedSegment>, OpenError> {
    let mut done = Vec::new();
    for new in std::mem::take(&mut found.compacted) {
        match settle_swap(data_dir, dir, &new).await? {
            Settled::Done => done.push(new),
            Settled::Undone(bases) => done.extend(found.undo(&new, bases)),
        }
    }
    Ok(done)
}

fn restore_compacted(partition: &mut Partition, new: &CompactedSegment) -> Result<(), String> {
    let segment = partition.segment_mut(new.segment).ok_or("the journal compacts an unknown segment")?;
    if segment.length() != new.length.0 {
        let length = segment.length();
        return Err(format!("the compacted segment {} has {length} bytes, not {}", new.segment, new.length));
    }
    (segment.max_timestamp, segment.index_stored) = (new.max_timestamp, 0);
    Ok(())
}

/// What of a file in a partition's directory belongs to no log.
enum Leftover {
    Nothing,
    /// What lies behind this length.
    Behind(u64),
    Everything,
    /// A segment that the log begins behind, or what one was to become. The generation before may know it
    /// still, and is the valid one until the start has succeeded.
    Deleted,
}

fn leftover(partition: &PartitionRef, file_name: &str, extent_ends: &[(Offset, Position)]) -> Leftover {
    if file_name.ends_with(DELETED_FILE_SUFFIX) || file_name.ends_with(UNFINISHED_INDEX_SUFFIX) {
        return Leftover::Everything;
    }
    if file_name.ends_with(CLEANED_SUFFIX) {
        return Leftover::Deleted;
    }
    let mut partition = partition.borrow_mut();
    let first = partition.ends.sealed_start.first_segment;
    if let Some(name) = SegmentName::parse(file_name) {
        return match partition.segment_mut(name.base).filter(|segment| segment.has_file()) {
            Some(segment) => {
                let known = extent_ends.iter().find(|(base, _)| *base == name.base);
                Leftover::Behind(known.map_or(0, |(_, end)| end.0).max(segment.in_file()))
            }
            None if name.base < first => Leftover::Deleted,
            None => Leftover::Everything,
        };
    }
    let Some(name) = SegmentName::parse_with_suffix(file_name, INDEX_SUFFIX) else {
        return Leftover::Nothing;
    };
    match partition.segment_mut(name.base) {
        // It tells of no byte that a checkpoint did not call hard.
        Some(segment) if segment.has_file() => Leftover::Nothing,
        _ => Leftover::Everything,
    }
}

/// Shortens a file that is longer than `length`; returns whether it was.
async fn cut_to(path: &Path, length: u64) -> std::io::Result<bool> {
    if fs::len(path).await? <= length {
        return Ok(false);
    }
    let file = File::open(path, OpenOptions { write: true, ..OpenOptions::default() }).await?;
    file.truncate(length).await.map(|()| true)
}

fn active_is(active: &Segment, found: &RecoveredPartition) -> bool {
    found.segments.last().is_none_or(|last| *last == active.base)
}

/// Epoch lineage and producers: those of the checkpoint, and then what the journal saw.
pub(crate) fn history(found: &RecoveredPartition) -> Result<(EpochLineage, ProducerWindows), String> {
    let entries = found.epochs.iter().map(|&(epoch, start)| EpochEntry { epoch, start });
    let mut epochs = EpochLineage::restore(entries);
    let mut producers = ProducerWindows::restore(found.producers.iter().map(snapshot));
    for seen in &found.observed {
        match seen {
            Observation::Append { .. } | Observation::Extent { .. } => {
                let heard = seen.headers(|header| {
                    epochs.assign(header.leader_epoch, header.base_offset);
                    if header.has_producer() {
                        producers.record(header, header.base_offset, header.max_timestamp);
                    }
                });
                heard.map_err(|fault| fault.to_string())?;
            }
            Observation::Truncate { to } => {
                epochs.truncate_from_end(*to);
                producers.truncate_from_end(*to);
            }
        }
    }
    Ok((epochs, producers))
}

/// What is known of segments: that of the checkpoint, and then what the journal saw.
fn restore_facts(partition: &mut Partition, found: &RecoveredPartition) -> Result<(), String> {
    for facts in &found.facts {
        if let Some(segment) = partition.segment_mut(Offset(facts.base)) {
            segment.max_timestamp = TimestampMs(facts.max_timestamp);
            segment.index_stored = facts.indexed.min(segment.length());
        }
    }
    for seen in &found.observed {
        let heard = seen.headers(|header| {
            let place = partition.segment_holding(header.base_offset);
            if let Some(segment) = place.and_then(|place| partition.segments.get_mut(place)) {
                segment.max_timestamp = segment.max_timestamp.max(header.max_timestamp);
            }
        });
        heard.map_err(|fault| fault.to_string())?;
    }
    Ok(())
}

fn snapshot(stored: &ProducerCheckpoint) -> ProducerSnapshot {
    let batches = stored.batches.iter().map(|batch| AppendedBatch {
        last_sequence: Sequence(batch.last_sequence),
        offset_delta: i32::try_from(batch.last_offset - batch.first_offset).unwrap_or(i32::MAX),
        last_offset: Offset(batch.last_offset),
        timestamp: TimestampMs(batch.timestamp),
    });
    ProducerSnapshot {
        id: ProducerId(stored.id),
        epoch: ProducerEpoch(stored.epoch),
        last_append: TimestampMs(stored.last_timestamp),
        batches: batches.collect(),
    }
}
