//! Replays the journal that the run before left: over its checkpoint, or, where that is damaged,
//! over what the segment files tell.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use millrace_core::base::ids::{Offset, PartitionKey, ShardIndex};
use millrace_core::journal::{
    BootNonce, Chain, ChainStart, CheckpointBounds, Corruption, FrameSequence, JournaledLog, LogRebuild,
    PartitionCheckpoint, RecoveredPartition, Replay, Run, ShardCheckpoint, Stretch, oldest_frame,
    recover_chain,
};
use millrace_core::log::{SegmentName, SegmentScan};
use millrace_rt::{Block, File, OpenOptions, fs};

use crate::api::OpenError;
use crate::checkpoint::noted_start::noted_start;
use crate::directory::file_systems::FileSystems;
use crate::directory::layout::{Layout, segment_file, slot_file};
use crate::directory::vouching::{KnownTopics, is_there};
use crate::recovery::settle::settle_swap;

/// One read of a segment that is scanned.
const SCAN_BYTES: usize = 1024 * 1024;

/// A finished journal, read whole.
pub(crate) struct OldJournal {
    pub(crate) shard: ShardIndex,
    pub(crate) boot: BootNonce,
    /// How many shards wrote with it: which partitions were its own.
    pub(crate) shards: u16,
    pub(crate) dir: PathBuf,
    pub(crate) slots: Vec<Bytes>,
    pub(crate) ring: Option<Bytes>,
    pub(crate) ring_file: PathBuf,
    /// What the headers of its checkpoints say.
    pub(crate) bounds: CheckpointBounds,
    pub(crate) data_dir: PathBuf,
    pub(crate) metadata_log: PathBuf,
}

impl OldJournal {
    /// Its partitions as checkpoint and frames leave them.
    pub(crate) fn replay(
        &self,
        checkpoint: Option<ShardCheckpoint>,
        known: KnownTopics<'_>,
    ) -> Result<Vec<RecoveredPartition>, OpenError> {
        let mut replay = Replay::new(checkpoint);
        let chain = self.chain(replay.from())?;
        if let Some(torn) = &chain.torn {
            let (shard, sequence) = (self.shard, torn.sequence.0);
            tracing::info!(%shard, sequence, "the journal's last write was torn; nobody was told of it");
        }
        let contradiction = |error| self.corrupt(self.dir.clone(), &error);
        for frame in &chain.frames {
            replay.apply(frame).map_err(contradiction)?;
        }
        if let Some(stranger) = replay.stranger(|key| known.has(key)) {
            return Err(self.lost_topic(stranger));
        }
        replay.keep(|key| known.image.topic_by_id(key.topic).is_some());
        replay.finish().map_err(contradiction)
    }

    /// The same where no checkpoint says what the frames go on from:
    /// every segment is read from its beginning.
    pub(crate) async fn rebuild(
        &self,
        layout: &Layout,
        systems: &FileSystems,
        known: KnownTopics<'_>,
    ) -> Result<Vec<RecoveredPartition>, OpenError> {
        tracing::warn!(shard = %self.shard, "no checkpoint can be used; its logs are read from their segments");
        let oldest = oldest_frame(self.shard, self.boot, &self.slots, self.ring.as_ref(), self.bounds);
        let replay_from = oldest.map_err(|corruption| self.corrupt_frame(&corruption))?;
        let journaled = JournaledLog::of_frames(&self.chain(replay_from)?.frames);
        let nothing = JournaledLog::default();
        let mut partitions: Vec<PartitionCheckpoint> = Vec::new();
        for topic in known.image.topics() {
            for partition in &topic.partitions {
                let key = PartitionKey::new(topic.id, partition.index);
                if key.owner(self.shards) != self.shard {
                    continue;
                }
                let dir = layout.partition(&topic.name, key.partition);
                let log = LogRebuild::new(key, partition.leader_epoch);
                partitions.extend(
                    read_log(layout.data(), &dir, log, journaled.get(&key).unwrap_or(&nothing)).await?,
                );
            }
        }
        // What is in the files may not be hard yet, and the journal that holds it is about to go.
        systems.sync().await.map_err(|error| OpenError::io("sync", layout.data(), &error))?;
        let told: Vec<(PartitionKey, Offset)> =
            partitions.iter().map(|partition| (partition.key(), Offset(partition.log_end_offset))).collect();
        let (shard, boot) = (self.shard, self.boot);
        let through = FrameSequence(replay_from.0 - 1);
        let found = ShardCheckpoint { shard, boot, number: 0, replay_from, through, partitions };
        let mut recovered = self.replay(Some(found), known)?;
        for partition in &mut recovered {
            // Its segments told of these already.
            let told = told.iter().find(|(key, _)| *key == partition.key).map(|(_, end)| *end);
            let Some(end) = told else { continue };
            let observed = std::mem::take(&mut partition.observed);
            partition.observed = observed.into_iter().filter_map(|seen| seen.behind(end)).collect();
        }
        Ok(recovered)
    }

    fn chain(&self, from: FrameSequence) -> Result<Chain, OpenError> {
        let start = ChainStart { shard: self.shard, boot: Some(self.boot), from };
        let chain = recover_chain(start, &self.slots, self.ring.as_ref());
        chain.map_err(|corruption| self.corrupt_frame(&corruption))
    }

    fn corrupt_frame(&self, corruption: &Corruption) -> OpenError {
        let slot = corruption.slot.map(|slot| slot_file(&self.dir, slot));
        self.corrupt(slot.unwrap_or_else(|| self.ring_file.clone()), corruption)
    }

    /// The topic was created, or the partition added, before its first record: the log has lost what said so.
    fn lost_topic(&self, key: PartitionKey) -> OpenError {
        let what = format!(
            "it neither has partition {} of topic {} nor says that it was deleted, though the journal of shard {} knows it",
            key.partition, key.topic, self.shard
        );
        OpenError::Missing { file: self.metadata_log.clone(), what, data_dir: self.data_dir.clone() }
    }

    fn corrupt(&self, file: PathBuf, error: &dyn std::error::Error) -> OpenError {
        OpenError::CorruptJournal { file, reason: error.to_string(), data_dir: self.data_dir.clone() }
    }
}

/// What the files of a partition and the journal's frames tell together; none if neither has a byte of it.
async fn read_log(
    data_dir: &Path,
    dir: &Path,
    mut log: LogRebuild,
    journaled: &JournaledLog,
) -> Result<Option<PartitionCheckpoint>, OpenError> {
    let (mut files, mut noted) = (Vec::new(), Offset::ZERO);
    if is_there(dir).await? {
        for new in journaled.compacted() {
            settle_swap(data_dir, dir, new).await?;
        }
        let entries =
            fs::read_dir(dir).await.map_err(|error| OpenError::io("read the directory", dir, &error))?;
        let names = entries.iter().filter_map(|entry| SegmentName::parse(&entry.name));
        files.extend(names.map(|name| name.base));
        noted = entries.iter().filter_map(|entry| noted_start(&entry.name)).max().unwrap_or(Offset::ZERO);
    }
    let start = noted.max(journaled.log_start_offset());
    let bases = journaled.segments(files, start);
    for (place, &base) in bases.iter().enumerate() {
        let path = segment_file(dir, base);
        let damaged = |what: String| {
            OpenError::Corrupt(path.clone(), format!("{what}, and the checkpoints are damaged, too"))
        };
        let run = journaled.run(base);
        if !log.begin(base, run.as_ref().map(Run::range)) {
            return Err(damaged("the segment before it is missing".to_owned()));
        }
        scan(&path, base, run, &mut log).await.map_err(|error| OpenError::io("read", &path, &error))?;
        let ended = log.end(place + 1 == bases.len());
        ended.map_err(|at| damaged(format!("the segment is damaged at byte {at}")))?;
    }
    Ok((!bases.is_empty() || start > Offset::ZERO).then(|| log.finish(start)))
}

/// Scans a segment: its file up to where the journal goes on, then what the journal has.
async fn scan(path: &Path, base: Offset, run: Option<Run>, log: &mut LogRebuild) -> std::io::Result<()> {
    let mut file = SegmentBytes::open(path).await?;
    let mut scan = SegmentScan::new(base);
    let from = run.as_ref().map_or(u64::MAX, |run| run.from.0);
    file.feed(0..from.min(file.length), &mut scan, log).await?;
    let mut at = from;
    for stretch in run.filter(|_| from <= file.length).into_iter().flat_map(|run| run.stretches) {
        match stretch {
            Stretch::Journaled(bytes) => {
                scan.feed(&bytes, |scanned| log.take(&scanned));
                at += bytes.len() as u64;
            }
            Stretch::InFile(length) => {
                let end = at.saturating_add(length);
                file.feed(at.min(file.length)..end.min(file.length), &mut scan, log).await?;
                at = end;
            }
        }
    }
    scan.finish(|scanned| log.take(&scanned));
    Ok(())
}

/// A segment's file, if it has one.
struct SegmentBytes {
    file: Option<File>,
    length: u64,
}

impl SegmentBytes {
    async fn open(path: &Path) -> std::io::Result<SegmentBytes> {
        if !fs::exists(path).await? {
            return Ok(SegmentBytes { file: None, length: 0 });
        }
        let file = File::open(path, OpenOptions::default()).await?;
        let length = file.len().await?;
        Ok(SegmentBytes { file: Some(file), length })
    }

    async fn feed(
        &mut self,
        range: Range<u64>,
        scan: &mut SegmentScan,
        log: &mut LogRebuild,
    ) -> std::io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut block = Block::with_capacity(SCAN_BYTES);
        let mut at = range.start;
        while at < range.end {
            let wanted = usize::try_from(range.end - at).unwrap_or(SCAN_BYTES).min(SCAN_BYTES);
            let read;
            (read, block) = file.read_at(at, block, wanted).await;
            let read = read?;
            if read == 0 {
                break;
            }
            scan.feed(block.as_slice().get(..read).unwrap_or_default(), |scanned| log.take(&scanned));
            at += read as u64;
        }
        Ok(())
    }
}
