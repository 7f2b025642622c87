//! What a data directory says of itself: manifest, metadata, and the journals that a start would replay.

use std::path::{Path, PathBuf};

use millrace_core::base::{Corrupt, ShardIndex};
use millrace_core::journal::holds_frames;
use millrace_core::meta::{DecodedLog, DeletedTopics, MetadataImage, Tail};
use millrace_rt::shared_memory_life_of;

use super::disk::{Held, StorageDirs, ToolError, length, lock, names, read};
use super::journal::ShardJournal;
use crate::directory::layout::{Generation, Layout};
use crate::directory::manifest::{Manifest, Stopped};
use crate::directory::vouching::KnownTopics;
use crate::recovery::rings::MISSING_RING;

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
    pub(super) deleted: DeletedTopics,
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
        self.manifest.as_ref()?.as_ref().ok().cloned()
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
        let mut ring = dir.join("ring");
        let mut lost = None;
        if let Some(manifest) = manifest.as_ref().filter(|manifest| manifest.stopped == Stopped::Unclean) {
            let places = manifest.ring_places(&self.layout, shard);
            let found = places.iter().find(|place| place.is_file());
            ring = found.or(places.first()).cloned().unwrap_or(ring);
            lost = self.ring_flaw(manifest, &ring)?;
        } else if manifest.is_some() {
            // Its contents are in the segments.
            ring = dir.join("no-ring");
        }
        let nothing = Metadata::of(&[]);
        let known = self.metadata.as_ref().unwrap_or(&nothing).known();
        let journal = ShardJournal::read(&dir, &ring, shard, manifest.as_ref(), known)?;
        Ok(ShardJournal { ring_flaw: lost, ..journal })
    }

    /// What is wrong with a ring that records may need.
    fn ring_flaw(&self, manifest: &Manifest, ring: &Path) -> Result<Option<String>, ToolError> {
        let image = self.metadata.as_ref().map(|metadata| metadata.image.clone()).unwrap_or_default();
        let Some(dir) = manifest.rings.as_ref().filter(|_| manifest.promises_rings(&image)) else {
            return Ok(None);
        };
        Ok(match length(ring)? {
            Some(length) if length >= manifest.ring_bytes => None,
            Some(length) => {
                Some(format!("this ring has {length} bytes; the manifest says {}", manifest.ring_bytes))
            }
            None if shared_memory_life_of(dir).is_ok_and(|life| life == manifest.memory) => {
                Some(MISSING_RING.to_owned())
            }
            // Lost with the power, as `process` says.
            None => None,
        })
    }

    /// What says that a manifest which is not there was there: nothing of it is made before the manifest.
    pub(super) fn witness_of_manifest(&self) -> Result<Option<PathBuf>, ToolError> {
        let knows_topics =
            |metadata: &Metadata| metadata.image.topic_count() > 0 || !metadata.deleted.is_empty();
        if self.metadata.as_ref().is_some_and(knows_topics) {
            return Ok(Some(self.layout.metadata_log()));
        }
        let topics = self.layout.topics();
        if let Some(name) = names(&topics)?.first() {
            return Ok(Some(topics.join(name)));
        }
        for (_, _, dir) in self.journal_dirs()? {
            for name in names(&dir)?.iter().filter(|name| name.starts_with("slot-")) {
                let slot = dir.join(name);
                if read(&slot)?.is_some_and(|bytes| holds_frames(&bytes)) {
                    return Ok(Some(slot));
                }
            }
        }
        Ok(None)
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
        let deleted = DeletedTopics::of(&log.entries);
        Metadata { log, fault: fault.or(contradiction), image, deleted, bytes: bytes.len() }
    }

    pub(super) fn known(&self) -> KnownTopics<'_> {
        KnownTopics { image: &self.image, deleted: &self.deleted }
    }

    /// The last entry that can be read.
    pub(super) fn index(&self) -> u64 {
        self.log.entries.last().map_or(0, |last| last.index)
    }

    pub(super) fn is_torn(&self) -> bool {
        self.log.tail == Tail::Torn
    }
}

/// Directories whose names are numbers.
fn numbers<N: std::str::FromStr>(names: &[String]) -> impl Iterator<Item = N> {
    names.iter().filter_map(|name| name.strip_suffix('/')?.parse().ok())
}
