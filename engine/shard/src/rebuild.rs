//! Replays the journal that the run before left: over its checkpoint, or, where that is damaged, over what the segment
//! files tell.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use millrace_core::base::ids::{Offset, PartitionKey, Position, ShardIndex};
use millrace_core::journal::{
    BootNonce, Chain, ChainStart, FrameSequence, LogRebuild, PartitionCheckpoint, RecoveredPartition, Replay,
    ShardCheckpoint, journaled_ends, oldest_frame, recover_chain,
};
use millrace_core::log::{SegmentName, SegmentScan};
use millrace_core::meta::MetadataImage;
use millrace_rt::{Block, File, OpenOptions, fs};

use crate::api::OpenError;
use crate::layout::{Layout, segment_file, slot_file};

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
    pub(crate) data_dir: PathBuf,
}

impl OldJournal {
    /// Its partitions as checkpoint and frames leave them.
    pub(crate) fn replay(
        &self,
        checkpoint: Option<ShardCheckpoint>,
        image: &MetadataImage,
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
        replay.keep(|key| image.topic_by_id(key.topic).is_some());
        replay.finish().map_err(contradiction)
    }

    /// The same where no checkpoint says what the frames go on from: every segment is read from its beginning.
    pub(crate) async fn rebuild(
        &self,
        layout: &Layout,
        image: &MetadataImage,
    ) -> Result<Vec<RecoveredPartition>, OpenError> {
        tracing::warn!(shard = %self.shard, "no checkpoint can be used; its logs are read from their segments");
        let replay_from = oldest_frame(self.shard, self.boot, &self.slots, self.ring.as_ref());
        let ends = journaled_ends(&self.chain(replay_from)?.frames);
        let mut partitions: Vec<PartitionCheckpoint> = Vec::new();
        for topic in image.topics() {
            for key in topic.keys().filter(|key| key.owner(self.shards) == self.shard) {
                let dir = layout.partition(&topic.name, key.partition);
                partitions.extend(read_log(&dir, key, ends.get(&key).copied()).await?);
            }
        }
        let known: Vec<(PartitionKey, Offset)> =
            partitions.iter().map(|partition| (partition.key(), Offset(partition.log_end))).collect();
        let (shard, boot) = (self.shard, self.boot);
        let through = FrameSequence(replay_from.0 - 1);
        let found = ShardCheckpoint { shard, boot, number: 0, replay_from, through, partitions };
        let mut recovered = self.replay(Some(found), image)?;
        for partition in &mut recovered {
            // Its segments told of these already.
            let known = known.iter().find(|(key, _)| *key == partition.key).map(|(_, end)| *end);
            let Some(end) = known else { continue };
            let observed = std::mem::take(&mut partition.observed);
            partition.observed = observed.into_iter().filter_map(|seen| seen.behind(end)).collect();
        }
        Ok(recovered)
    }

    fn chain(&self, from: FrameSequence) -> Result<Chain, OpenError> {
        let start = ChainStart { shard: self.shard, boot: Some(self.boot), from };
        recover_chain(start, &self.slots, self.ring.as_ref()).map_err(|corruption| {
            let slot = corruption.slot.map(|slot| slot_file(&self.dir, slot));
            self.corrupt(slot.unwrap_or_else(|| self.ring_file.clone()), &corruption)
        })
    }

    fn corrupt(&self, file: PathBuf, error: &dyn std::error::Error) -> OpenError {
        OpenError::CorruptJournal { file, reason: error.to_string(), data_dir: self.data_dir.clone() }
    }
}

/// What the files of a partition tell, up to where the journal's frames end; none if it has none.
async fn read_log(
    dir: &Path,
    key: PartitionKey,
    end: Option<(Offset, Position)>,
) -> Result<Option<PartitionCheckpoint>, OpenError> {
    if !fs::exists(dir).await {
        return Ok(None);
    }
    let entries =
        fs::read_dir(dir).await.map_err(|error| OpenError::io("read the directory", dir, &error))?;
    let mut bases: Vec<Offset> =
        entries.iter().filter_map(|entry| SegmentName::parse(&entry.name)).map(|name| name.base).collect();
    bases.retain(|base| end.is_none_or(|(last, _)| *base <= last));
    bases.sort_unstable();
    let mut log = LogRebuild::new(key, end);
    for (place, &base) in bases.iter().enumerate() {
        if !log.begin(base) {
            break;
        }
        let path = segment_file(dir, base);
        let to = end.filter(|(last, _)| *last == base).map_or(u64::MAX, |(_, position)| position.0);
        scan(&path, base, to, &mut log).await.map_err(|error| OpenError::io("read", &path, &error))?;
        log.end(place + 1 == bases.len()).map_err(|at| {
            OpenError::Corrupt(
                path,
                format!("the segment is damaged at byte {at}, and the checkpoints are, too"),
            )
        })?;
    }
    // A segment behind them may have no file yet, and its roll no frame any more.
    if let Some((last, _)) = end.filter(|(last, _)| bases.last().is_some_and(|base| base < last)) {
        log.begin(last);
    }
    Ok((!bases.is_empty()).then(|| log.finish()))
}

async fn scan(path: &Path, base: Offset, to: u64, log: &mut LogRebuild) -> std::io::Result<()> {
    let file = File::open(path, OpenOptions::default()).await?;
    let length = file.len().await?.min(to);
    let mut scan = SegmentScan::new(base);
    let mut block = Block::with_capacity(SCAN_BYTES);
    let mut at = 0;
    while at < length {
        let wanted = usize::try_from(length - at).unwrap_or(SCAN_BYTES).min(SCAN_BYTES);
        let read;
        (read, block) = file.read_at(at, block, wanted).await;
        let read = read?;
        if read == 0 {
            break;
        }
        scan.feed(block.as_slice().get(..read).unwrap_or_default(), |scanned| log.take(&scanned));
        at += read as u64;
    }
    scan.finish(|scanned| log.take(&scanned));
    Ok(())
}
