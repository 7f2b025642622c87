//! What a data directory says of itself: manifest, metadata, and the journals that a start would replay.

use std::path::PathBuf;

use millrace_core::base::{Corrupt, PartitionKey, ShardIndex};
use millrace_core::meta::{DecodedLog, MetadataImage, Tail};

use super::disk::{Held, StorageDirs, ToolError, lock, names, read};
use super::journal::ShardJournal;
use crate::layout::{Generation, Layout};
use crate::manifest::{Manifest, Stopped};

/// A data directory that no broker uses while this lives.
pub(super) struct Node {
    pub(super) layout: Layout,
    /// None: there is none, so the node has never served.
    pub(super) manifest: Option<Result<Manifest, String>>,
    pub(super) metadata: Option<Metadata>,
    _held: Held,
}

/// What the metadata log holds up to its end or its damage.
pub(super) struct Metadata {
    pub(super) log: DecodedLog,
    pub(super) fault: Option<Corrupt>,
    pub(super) image: MetadataImage,
    pub(super) bytes: usize,
}

impl Node {
    pub(super) fn open(dirs: &StorageDirs) -> Result<Node, ToolError> {
        let layout = dirs.layout();
        let held = lock(layout.data())?;
        let manifest = read(&layout.manifest())?;
        let metadata = read(&layout.metadata_log())?;
        if manifest.is_none() && metadata.is_none() {
            return Err(ToolError::NoDataDirectory(dirs.data.clone()));
        }
        let manifest = manifest.map(|bytes| Manifest::decode(&String::from_utf8_lossy(&bytes)));
        let metadata = metadata.map(|bytes| Metadata::of(&bytes));
        Ok(Node { layout, manifest, metadata, _held: held })
    }

    pub(super) fn valid_manifest(&self) -> Option<Manifest> {
        self.manifest.as_ref()?.as_ref().ok().copied()
    }

    /// The journal directories of the valid generation; of all, where the manifest does not say which one is.
    pub(super) fn journal_dirs(&self) -> Result<Vec<(Generation, ShardIndex, PathBuf)>, ToolError> {
        let generations = match self.valid_manifest() {
            Some(manifest) => vec![manifest.generation],
            None => self.generations()?,
        };
        let mut dirs = Vec::new();
        for generation in generations {
            let shards: Vec<ShardIndex> = match self.valid_manifest() {
                Some(manifest) => (0..manifest.shards).map(ShardIndex).collect(),
                None => numbers(&names(&self.layout.generation(generation))?).map(ShardIndex).collect(),
            };
            for shard in shards {
                dirs.push((generation, shard, self.layout.shard(generation, shard)));
            }
        }
        Ok(dirs)
    }

    /// Reads one shard's journal; the ring counts if the node did not stop cleanly and it is this node's.
    pub(super) fn journal(
        &self,
        generation: Generation,
        shard: ShardIndex,
    ) -> Result<ShardJournal, ToolError> {
        let manifest = self.valid_manifest();
        let dir = self.layout.shard(generation, shard);
        let shared = manifest.map(|manifest| self.layout.ring(manifest.node, generation, shard));
        let local = dir.join("ring");
        let ring = match (manifest.map(|manifest| manifest.stopped), shared) {
            (Some(Stopped::Unclean), Some(shared)) if read(&shared)?.is_some() => shared,
            (Some(Stopped::Unclean), _) => local,
            // Its contents are in the segments.
            _ => dir.join("no-ring"),
        };
        let image = self.metadata.as_ref().map(|metadata| &metadata.image);
        let known = |key: PartitionKey| image.is_none_or(|image| image.topic_by_id(key.topic).is_some());
        ShardJournal::read(&dir, &ring, shard, manifest.map(|manifest| manifest.boot), known)
    }

    fn generations(&self) -> Result<Vec<Generation>, ToolError> {
        let names = names(self.layout.journals())?;
        let mut generations: Vec<Generation> = numbers(&names).map(Generation).collect();
        generations.sort();
        Ok(generations)
    }
}

impl Metadata {
    pub(super) fn of(bytes: &[u8]) -> Metadata {
        let (log, fault) = DecodedLog::survey(bytes);
        let mut image = MetadataImage::default();
        let mut contradiction = None;
        for entry in &log.entries {
            if image.apply_all(&entry.records).is_err() && contradiction.is_none() {
                let reason = "an entry contradicts those before it";
                contradiction = Some(Corrupt::new("metadata log", log.valid_bytes, reason));
            }
        }
        Metadata { log, fault: fault.or(contradiction), image, bytes: bytes.len() }
    }

    pub(super) fn is_torn(&self) -> bool {
        self.log.tail == Tail::Torn
    }
}

/// Directories whose names are numbers.
fn numbers<N: std::str::FromStr>(names: &[String]) -> impl Iterator<Item = N> {
    names.iter().filter_map(|name| name.strip_suffix('/')?.parse().ok())
}
