//! The journal of one shard, read as a start reads it: checkpoints, the chain of frames, and what they leave.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use millrace_core::base::{Corrupt, PartitionKey, ShardIndex};
use millrace_core::journal::{
    ChainStart, ChainSurvey, CheckpointBounds, Checkpoints, Corruption, FrameSequence, RecoveredPartition,
    Replay, oldest_frame, survey_chain,
};

use super::disk::{ToolError, read};
use crate::directory::layout::{checkpoint_file, slot_file};
use crate::directory::manifest::Manifest;
use crate::directory::vouching::KnownTopics;

/// What a shard's journal directory and ring hold.
pub(super) struct ShardJournal {
    pub(super) dir: PathBuf,
    pub(super) ring: PathBuf,
    /// What is wrong with it, where records may need it.
    pub(super) ring_flaw: Option<String>,
    /// The length of each slot, none where there is no file.
    pub(super) slots: Vec<Option<u64>>,
    /// A partition that the metadata log does not know.
    pub(super) stranger: Option<PartitionKey>,
    pub(super) checkpoints: Checkpoints,
    pub(super) survey: ChainSurvey,
    pub(super) recovered: Recovered,
}

/// What a start makes of a journal.
pub(super) enum Recovered {
    /// What frames and checkpoint give, up to the damage if there is any.
    Replayed(Vec<RecoveredPartition>),
    /// No checkpoint can be used: the segments are read, and the frames go on from there.
    FromSegments,
    /// Frames and checkpoint contradict each other.
    Contradiction(String),
}

impl ShardJournal {
    /// `ring` counts only where it exists. The manifest says how many slots there are; without it,
    /// those that follow one another.
    pub(super) fn read(
        dir: &Path,
        ring: &Path,
        shard: ShardIndex,
        manifest: Option<&Manifest>,
        known: KnownTopics<'_>,
    ) -> Result<ShardJournal, ToolError> {
        let boot = manifest.map(|manifest| manifest.boot);
        let first = read(&checkpoint_file(dir, 0))?;
        let second = read(&checkpoint_file(dir, 1))?;
        let checkpoints = Checkpoints::choose([first.as_deref(), second.as_deref()]);
        let counted = manifest.map(|manifest| usize::from(manifest.slots.count));
        let (mut slots, mut lengths) = (Vec::new(), Vec::new());
        while counted.is_none_or(|count| slots.len() < count) {
            let bytes = read(&slot_file(dir, slots.len()))?;
            if bytes.is_none() && counted.is_none() {
                break;
            }
            lengths.push(bytes.as_ref().map(|bytes| bytes.len() as u64));
            slots.push(bytes.unwrap_or_default());
        }
        let in_memory = read(ring)?;
        let chain_from = |from| survey_chain(ChainStart { shard, boot, from }, &slots, in_memory.as_ref());
        let (mut survey, mut recovered, stranger) = replayed(&checkpoints, chain_from, known);
        let fails = survey.corruption.is_some() || matches!(recovered, Recovered::Contradiction(_));
        let lacks_one = checkpoints.faults.iter().any(Option::is_some) || first.is_none() || second.is_none();
        // As a start does; where both files are missing, too.
        let is_rebuilt = checkpoints.newest.is_none() || (fails && lacks_one);
        if let Some(boot) = boot.filter(|_| is_rebuilt) {
            let bounds = CheckpointBounds::of([first.as_deref(), second.as_deref()], shard, boot);
            match oldest_frame(shard, boot, &slots, in_memory.as_ref(), bounds) {
                Ok(from) => (survey, recovered) = (chain_from(from), Recovered::FromSegments),
                Err(corruption) => survey.corruption = Some(corruption),
            }
        }
        let (dir, ring) = (dir.to_path_buf(), ring.to_path_buf());
        Ok(ShardJournal {
            dir,
            ring,
            ring_flaw: None,
            slots: lengths,
            stranger,
            checkpoints,
            survey,
            recovered,
        })
    }

    /// Whether neither checkpoint file is there. A start makes one before anything names the journal.
    pub(super) fn lacks_checkpoints(&self) -> bool {
        self.checkpoints.newest.is_none() && self.checkpoints.faults.iter().all(Option::is_none)
    }

    /// Whether a checkpoint and the frames behind it say all that a start has to know.
    pub(super) fn is_whole_with_one_checkpoint(&self) -> bool {
        let is_whole = matches!(self.recovered, Recovered::Replayed(_)) && self.survey.corruption.is_none();
        is_whole && self.checkpoints.newest.is_some()
    }

    /// The file in which a corrupt frame should be.
    pub(super) fn file_of(&self, corruption: &Corruption) -> PathBuf {
        corruption.slot.map_or_else(|| self.ring.clone(), |slot| slot_file(&self.dir, slot))
    }

    /// Checkpoint files that exist and cannot be read, and why.
    pub(super) fn bad_checkpoints(&self) -> impl Iterator<Item = (PathBuf, Corrupt)> {
        let faults = self.checkpoints.faults.into_iter().zip(0..);
        faults.filter_map(|(fault, number)| Some((checkpoint_file(&self.dir, number), fault?)))
    }
}

/// The chain behind the newest checkpoint, what it gives,
/// and a partition of it that the metadata log does not know.
fn replayed(
    checkpoints: &Checkpoints,
    chain_from: impl Fn(FrameSequence) -> ChainSurvey,
    known: KnownTopics<'_>,
) -> (ChainSurvey, Recovered, Option<PartitionKey>) {
    let mut replay = Replay::new(checkpoints.newest.clone());
    let survey = chain_from(replay.from());
    let applied = survey.chain.frames.iter().try_for_each(|frame| replay.apply(frame));
    let stranger = replay.stranger(|key| known.has(key));
    replay.keep(|key| known.image.topic_by_id(key.topic).is_some());
    let recovered = match applied.and_then(|()| replay.finish()) {
        Ok(partitions) => Recovered::Replayed(partitions),
        Err(error) => Recovered::Contradiction(error.to_string()),
    };
    (survey, recovered, stranger)
}

/// What a whole file of frames is: its bytes, for a dump.
pub(super) fn whole(path: &Path) -> Result<Bytes, ToolError> {
    let missing = || ToolError::Io(path.to_path_buf(), std::io::ErrorKind::NotFound.into());
    read(path)?.ok_or_else(missing)
}
