//! The rings of the journals in shared memory: where they are, whose they are,
//! and that a start finds room for its own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use millrace_core::base::config::LostRings;
use millrace_core::base::ids::{Durability, ShardIndex};
use millrace_core::meta::MetadataImage;
use millrace_rt::fs::FileIdentity;
use millrace_rt::{SharedMemory, fs, shared_memory_life, shared_memory_usable};

use crate::api::OpenError;
use crate::directory::layout::{Layout, ring_name, ring_prefix};
use crate::directory::manifest::{Manifest, Stopped};
use crate::recovery::engine::{Facts, Inner};

/// Where the rings of a start go.
pub(crate) struct RingPlace {
    /// None: each beside its journal. Then every topic has durability `power`.
    pub(crate) dir: Option<PathBuf>,
    /// Empty where the machine does not say.
    pub(crate) memory: String,
}

impl Manifest {
    /// The ring of a shard.
    pub(crate) fn ring(&self, layout: &Layout, shard: ShardIndex) -> PathBuf {
        match &self.rings {
            Some(dir) => dir.join(self.ring_file(shard)),
            None => layout.ring_beside(self.generation, shard),
        }
    }

    /// Everywhere that a ring may be now: where it was, where the settings say that rings are, and beside the
    /// journal, if a start saved it there.
    pub(crate) fn ring_places(&self, layout: &Layout, shard: ShardIndex) -> Vec<PathBuf> {
        let mut places = vec![self.ring(layout, shard)];
        if self.rings.is_some() {
            places.push(layout.shm().join(self.ring_file(shard)));
            places.push(layout.ring_beside(self.generation, shard));
        }
        places.dedup();
        places
    }

    fn ring_file(&self, shard: ShardIndex) -> String {
        ring_prefix(self.directory) + &ring_name(self.node, self.generation, shard)
    }

    /// Whether records may have been acknowledged that only a ring has.
    pub(crate) fn promises_rings(&self, image: &MetadataImage) -> bool {
        let is_process = |value: &String| value == "process";
        let has_own =
            || image.topics().any(|topic| topic.configs.get("millrace.durability").is_some_and(is_process));
        self.rings.is_some() && (self.durability == Durability::Process || has_own())
    }

    fn is_of(&self, directory: FileIdentity) -> bool {
        self.directory == directory
    }
}

/// Chooses where this start's rings go. All of them have to fit, before anything is opened.
pub(crate) async fn place_rings(
    inner: &Inner,
    directory: FileIdentity,
    old: Option<&Manifest>,
    ring_bytes: u64,
) -> Result<RingPlace, OpenError> {
    let shm = inner.layout.shm();
    let reason = match shared_memory_usable(shm).await {
        Err(error) => error.to_string(),
        Ok(()) => {
            remove_strays(shm, directory, old).await;
            let needed = ring_bytes * u64::from(inner.settings.shards);
            match make_room(&inner.layout, directory, old, needed).await? {
                0 => {
                    let memory = shared_memory_life(shm).await.unwrap_or_default();
                    return Ok(RingPlace { dir: Some(shm.to_path_buf()), memory });
                }
                missing => {
                    format!("{missing} of the {needed} bytes that the rings of all shards take are missing")
                }
            }
        }
    };
    if inner.settings.broker.durability() == Durability::Process {
        return Err(OpenError::NoSharedMemory(shm.to_path_buf(), reason));
    }
    tracing::warn!(path = %shm.display(), reason, "no usable tmpfs: durability is `power` for every topic");
    Ok(RingPlace { dir: None, memory: String::new() })
}

/// Removes rings of this directory that no manifest names: of a start that did not come to its end, or of one
/// before the last. They would hold memory until the machine restarts.
async fn remove_strays(shm: &Path, directory: FileIdentity, old: Option<&Manifest>) {
    let Ok(entries) = fs::read_dir(shm).await else { return };
    let prefix = ring_prefix(directory);
    let valid = old.map(|old| format!("{prefix}{:016x}-{}-", old.node, old.generation.0));
    for entry in entries.iter().filter(|entry| entry.name.starts_with(&prefix)) {
        if valid.as_ref().is_none_or(|valid| !entry.name.starts_with(valid)) {
            // One that cannot go is no reason not to start.
            let _ = SharedMemory::remove(&shm.join(&entry.name)).await;
        }
    }
}

/// Returns how many of the `needed` bytes the shared memory lacks. Where it has room only without the rings
/// of the run before, those are saved beside their journals first.
async fn make_room(
    layout: &Layout,
    directory: FileIdentity,
    old: Option<&Manifest>,
    needed: u64,
) -> Result<u64, OpenError> {
    let shm = layout.shm();
    let room = async || {
        let free = fs::available_space(shm).await.map_err(|error| OpenError::io("look at", shm, &error))?;
        Ok::<u64, OpenError>(free.bytes)
    };
    let free = room().await?;
    let own = old.filter(|old| old.is_of(directory) && old.rings.as_deref() == Some(shm));
    let Some(old) = own.filter(|_| free < needed) else { return Ok(needed.saturating_sub(free)) };
    let held = old.ring_bytes * u64::from(old.shards);
    if free + held < needed {
        return Ok(needed - free);
    }
    for shard in (0..old.shards).map(ShardIndex) {
        let path = old.ring(layout, shard);
        if old.stopped == Stopped::Unclean {
            save_ring(layout, old, shard, &path).await?;
        }
        match SharedMemory::remove(&path).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(OpenError::io("remove the ring", &path, &error));
            }
            _ => {}
        }
    }
    Ok(needed.saturating_sub(room().await?))
}

/// Copies a ring to a file beside its journal, durably. One that is short is left to `read_ring`,
/// which refuses it.
async fn save_ring(layout: &Layout, old: &Manifest, shard: ShardIndex, path: &Path) -> Result<(), OpenError> {
    let contents = match fs::read(path).await {
        Ok(contents) => contents,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::io("read the journal's ring", path, &error)),
    };
    let target = layout.ring_beside(old.generation, shard);
    let saved = fs::replace(&target, contents).await;
    saved.map_err(|error| OpenError::io("save the journal's ring in", &target, &error))
}

/// The ring that the run before left, if it needs one and the memory was not cleared since.
pub(crate) async fn read_ring(
    inner: &Inner,
    facts: &Facts,
    old: &Manifest,
    shard: ShardIndex,
) -> Result<Option<Bytes>, OpenError> {
    if old.stopped == Stopped::Clean {
        return Ok(None);
    }
    let places = old.ring_places(&inner.layout, shard);
    for path in &places {
        let is_saved = old.rings.is_some() && *path == inner.layout.ring_beside(old.generation, shard);
        let opened = match is_saved {
            true => fs::read(path).await.map(Bytes::from),
            // Nobody writes to it any more.
            false => SharedMemory::open(path).await.map(|ring| ring.view(0..ring.len())),
        };
        let ring = match opened {
            Ok(ring) => ring,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            // An empty file cannot be mapped.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Bytes::new(),
            Err(error) if error.kind() == ErrorKind::WouldBlock && !old.is_of(facts.new.directory) => {
                tracing::warn!(
                    ring = %path.display(),
                    "this data directory is a copy of one that a broker is using; what only that one's ring has stays there"
                );
                return Ok(None);
            }
            Err(error) => return Err(OpenError::io("read the journal's ring", path, &error)),
        };
        if ring.len() as u64 >= old.ring_bytes {
            return Ok(Some(ring));
        }
        // Beside the journal it promises nothing, and a power loss may have cut it.
        if old.rings.is_some() {
            let what = format!("this ring has {} bytes; the manifest says {}", ring.len(), old.ring_bytes);
            return Err(lost_ring(inner, path, what));
        }
    }
    if let (Some(dir), Some(path)) = (&old.rings, places.first())
        && old.promises_rings(&facts.image)
    {
        let is_same_life = shared_memory_life(dir).await.is_ok_and(|life| life == old.memory);
        if is_same_life && inner.settings.broker.lost_rings() == LostRings::Refuse {
            return Err(lost_ring(inner, path, MISSING_RING.to_owned()));
        }
        tracing::warn!(
            ring = %path.display(),
            "the ring of the last run is gone, as after a power loss; records that were acknowledged with durability \
             `process`, and were not on the device yet, are gone with it"
        );
    }
    Ok(None)
}

/// What is wrong where a ring is not there, and the memory that it was in was never cleared.
pub(crate) const MISSING_RING: &str = "this ring is missing, though the memory that held it was not cleared since, and \
                                       records were acknowledged with durability `process`; where it cannot be brought \
                                       back, `millrace.lost.rings=accept` starts without them";

fn lost_ring(inner: &Inner, path: &Path, what: String) -> OpenError {
    let data_dir = inner.layout.data().to_path_buf();
    OpenError::Missing { file: path.to_path_buf(), what, data_dir }
}

/// Removes the rings of the run before, now that nothing needs them. Those of a directory that this one was
/// copied from stay: they are not ours.
pub(crate) async fn remove_old_rings(layout: &Layout, old: &Manifest, directory: FileIdentity) {
    if old.rings.is_none() || !old.is_of(directory) {
        return;
    }
    for shard in (0..old.shards).map(ShardIndex) {
        for path in old.ring_places(layout, shard) {
            // Gone after a power loss.
            let _ = SharedMemory::remove(&path).await;
        }
    }
}

/// Removes this run's rings behind a clean stop: their contents are in the segments.
pub(crate) async fn remove_own_rings(layout: &Layout, manifest: &Manifest) {
    if manifest.rings.is_none() {
        return;
    }
    for shard in (0..manifest.shards).map(ShardIndex) {
        let path = manifest.ring(layout, shard);
        if let Err(error) = fs::remove_file(&path).await {
            tracing::warn!(ring = %path.display(), %error, "a ring that is not needed any more stays in memory");
        }
    }
}
