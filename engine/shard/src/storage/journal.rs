//! The journal of one shard, read as a start reads it: checkpoints, the chain of frames, and what they leave.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use millrace_core::base::{Corrupt, PartitionKey, ShardIndex};
use millrace_core::journal::{
    BootNonce, ChainStart, ChainSurvey, Checkpoints, Corruption, RecoveredPartition, Replay, survey_chain,
};

use super::disk::{ToolError, read};
use crate::layout::{checkpoint_file, slot_file};

/// What a shard's journal directory and ring hold.
pub(super) struct ShardJournal {
    pub(super) dir: PathBuf,
    pub(super) ring: PathBuf,
    pub(super) slots: usize,
    pub(super) checkpoints: Checkpoints,
    pub(super) survey: ChainSurvey,
    /// What frames and checkpoint give, up to the damage if there is any; or why they contradict each other.
    pub(super) recovered: Result<Vec<RecoveredPartition>, String>,
}

impl ShardJournal {
    /// `ring` counts only where it exists; of the partitions those that are `known`.
    pub(super) fn read(
        dir: &Path,
        ring: &Path,
        shard: ShardIndex,
        boot: Option<BootNonce>,
        known: impl Fn(PartitionKey) -> bool,
    ) -> Result<ShardJournal, ToolError> {
        let first = read(&checkpoint_file(dir, 0))?;
        let second = read(&checkpoint_file(dir, 1))?;
        let checkpoints = Checkpoints::choose([first.as_deref(), second.as_deref()]);
        let mut slots = Vec::new();
        while let Some(bytes) = read(&slot_file(dir, slots.len()))? {
            slots.push(bytes);
        }
        let in_memory = read(ring)?;
        let mut replay = Replay::new(checkpoints.newest.clone());
        let start = ChainStart { shard, boot, from: replay.from() };
        let survey = survey_chain(start, &slots, in_memory.as_ref());
        let mut replayed = Ok(());
        for frame in &survey.chain.frames {
            replayed = replayed.and_then(|()| replay.apply(frame));
        }
        replay.keep(known);
        let recovered = replayed.and_then(|()| replay.finish()).map_err(|error| error.to_string());
        let (dir, ring) = (dir.to_path_buf(), ring.to_path_buf());
        Ok(ShardJournal { dir, ring, slots: slots.len(), checkpoints, survey, recovered })
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

/// What a whole file of frames is: its bytes, for a dump.
pub(super) fn whole(path: &Path) -> Result<Bytes, ToolError> {
    let missing = || ToolError::Io(path.to_path_buf(), std::io::ErrorKind::NotFound.into());
    read(path)?.ok_or_else(missing)
}
