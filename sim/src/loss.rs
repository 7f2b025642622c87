//! Files and directories that go missing, or are cut, while a node does not run: what is lost,
//! and whether a refusal says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use millrace_rt::world::{NodeId, World};
use millrace_shard::OpenError;

use crate::promises::DATA_DIR;

/// One loss between two boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    pub victim: Victim,
    pub harm: LossHarm,
    pub reach: Reach,
}

/// What goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Manifest,
    MetadataLog,
    Checkpoint,
    Slot,
    Segment,
    Index,
    /// In shared memory.
    Ring,
    /// Empty files whose names say something.
    Note,
    /// What deletions and compactions have under way.
    Unfinished,
    MetadataDir,
    TopicsDir,
    PartitionDir,
    JournalDir,
    /// Of one start.
    GenerationDir,
    ShardDir,
}

/// What is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossHarm {
    Nothing,
    Empty,
    Half,
}

/// How many of the kind are hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One, chosen by this number.
    One(usize),
    All,
}

const FILES: [Victim; 9] = [
    Victim::Manifest,
    Victim::MetadataLog,
    Victim::Checkpoint,
    Victim::Slot,
    Victim::Segment,
    Victim::Index,
    Victim::Ring,
    Victim::Note,
    Victim::Unfinished,
];
const DIRS: [Victim; 6] = [
    Victim::MetadataDir,
    Victim::TopicsDir,
    Victim::PartitionDir,
    Victim::JournalDir,
    Victim::GenerationDir,
    Victim::ShardDir,
];

/// Of the 16 MiB that a ring has.
const HALF_RING_BYTES: usize = 8 << 20;

impl Loss {
    /// Every kind of loss; `number` chooses among the files of a kind.
    pub fn all(number: usize) -> Vec<Loss> {
        let mut all = Vec::new();
        for reach in [Reach::One(number), Reach::All] {
            for harm in [LossHarm::Nothing, LossHarm::Empty, LossHarm::Half] {
                all.extend(FILES.map(|victim| Loss { victim, harm, reach }));
            }
            all.extend(DIRS.map(|victim| Loss { victim, harm: LossHarm::Nothing, reach }));
        }
        all
    }

    /// Carries it out; answers what was hit.
    pub(crate) fn befall(self, world: &mut World, node: NodeId) -> Vec<PathBuf> {
        let candidates = self.victim.candidates(world, node);
        let hit: Vec<PathBuf> = match self.reach {
            Reach::One(number) => {
                candidates.get(number % candidates.len().max(1)).cloned().into_iter().collect()
            }
            Reach::All => candidates,
        };
        for path in &hit {
            match self.harm {
                LossHarm::Nothing => world.remove_path(node, path),
                LossHarm::Empty if self.victim == Victim::Ring => world.cut_shared_file(node, path, 0),
                LossHarm::Half if self.victim == Victim::Ring => {
                    world.cut_shared_file(node, path, HALF_RING_BYTES);
                }
                LossHarm::Empty => world.edit_file(node, path, Vec::clear),
                LossHarm::Half => world.edit_file(node, path, |bytes| bytes.truncate(bytes.len() / 2)),
            }
        }
        hit
    }
}

impl Victim {
    fn candidates(self, world: &World, node: NodeId) -> Vec<PathBuf> {
        if self == Victim::Ring {
            return world.shared_files(node);
        }
        let files = world.files(node).into_iter().filter(|path| path.starts_with(DATA_DIR));
        if !DIRS.contains(&self) {
            return files.filter(|path| Victim::of_file(path) == Some(self)).collect();
        }
        let dirs: BTreeSet<PathBuf> = files
            .flat_map(|path| path.ancestors().skip(1).map(Path::to_path_buf).collect::<Vec<_>>())
            .collect();
        dirs.into_iter().filter(|path| Victim::of_dir(path) == Some(self)).collect()
    }

    fn of_file(path: &Path) -> Option<Victim> {
        let name = path.file_name()?.to_string_lossy();
        Some(match &*name {
            "node" => Victim::Manifest,
            "metadata.log" => Victim::MetadataLog,
            name if name.starts_with("checkpoint-") => Victim::Checkpoint,
            name if name.starts_with("slot-") => Victim::Slot,
            name if name.ends_with(".cleaned") || name.ends_with(".deleted") => Victim::Unfinished,
            name if name.ends_with(".log") => Victim::Segment,
            name if name.ends_with(".mrindex") => Victim::Index,
            name if name.ends_with(".start") || name.ends_with(".compacted") => Victim::Note,
            _ => return None,
        })
    }

    fn of_dir(path: &Path) -> Option<Victim> {
        let below = path.strip_prefix(DATA_DIR).ok()?;
        let depth = below.components().count();
        Some(match (below.components().next()?.as_os_str().to_str()?, depth) {
            ("metadata", 1) => Victim::MetadataDir,
            ("topics", 1) => Victim::TopicsDir,
            ("topics", 2) => Victim::PartitionDir,
            ("journal", 1) => Victim::JournalDir,
            ("journal", 2) => Victim::GenerationDir,
            ("journal", 3) => Victim::ShardDir,
            _ => return None,
        })
    }
}

/// Whether an error is a refusal that names something of what was hit, or what lies in it or around it.
pub(crate) fn refuses(error: &OpenError, hit: &[PathBuf]) -> bool {
    let named = match error {
        OpenError::Missing { file, .. }
        | OpenError::CorruptJournal { file, .. }
        | OpenError::Corrupt(file, _) => file,
        _ => return false,
    };
    // What a compaction left is named after the segment whose place it takes,
    // and may be missed under that name.
    let stands_for = |path: &PathBuf| path.to_string_lossy().starts_with(&*named.to_string_lossy());
    hit.iter().any(|path| named.starts_with(path) || path.starts_with(named) || stands_for(path))
}
