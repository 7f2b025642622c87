//! Journals of the run before and of this one: replayed, made, and switched to.

use std::path::PathBuf;

use bytes::Bytes;
use millrace_core::base::ids::ShardIndex;
use millrace_core::journal::{CheckpointBounds, Checkpoints, JournalGeometry, RecoveredPartition};
use millrace_rt::{File, OpenOptions, SharedMemory, fs};

use crate::api::OpenError;
use crate::commit::zeroing::zero;
use crate::directory::layout::{Layout, checkpoint_file, slot_file};
use crate::directory::manifest::Manifest;
use crate::directory::vouching::{Standing, is_there};
use crate::files::segment_files::DiskMode;
use crate::recovery::engine::{Facts, Inner};
use crate::recovery::rebuild::OldJournal;
use crate::recovery::rings::{read_ring, remove_old_rings};

/// Makes the ring and the slots of this shard's new journal; the first slot is ready for use.
pub(crate) async fn make_journal(
    inner: &Inner,
    facts: &Facts,
    index: ShardIndex,
    geometry: &JournalGeometry,
) -> Result<(SharedMemory, Vec<File>), OpenError> {
    let dir = inner.layout.shard(facts.new.generation, index);
    let failed = |action: &'static str| {
        move |(path, error): (PathBuf, std::io::Error)| OpenError::io(action, &path, &error)
    };
    fs::create_dir_all(&dir).await.map_err(|error| failed("create the directory")((dir.clone(), error)))?;
    let mut slots = Vec::with_capacity(geometry.slot_count());
    for number in 0..geometry.slot_count() {
        let path = slot_file(&dir, number);
        let direct = facts.mode == DiskMode::Direct;
        let options = OpenOptions { create: true, write: true, direct, ..OpenOptions::default() };
        let made = async {
            let file = File::open(&path, options).await?;
            // A slot that is short lost bytes: the manifest, which comes later, says how long each is.
            file.truncate(geometry.slot_bytes() as u64).await?;
            file.allocate(0, geometry.slot_bytes() as u64).await?;
            match number {
                0 => zero(&file, geometry.slot_bytes()).await?,
                _ => file.sync_data().await?,
            }
            Ok(file)
        };
        slots.push(made.await.map_err(|error| failed("prepare the journal slot")((path.clone(), error)))?);
    }
    let made_dir = fs::sync_dir(&dir).await;
    made_dir.map_err(|error| failed("sync the directory")((dir.clone(), error)))?;
    let path = facts.new.ring(&inner.layout, index);
    let ring = SharedMemory::create(&path, geometry.ring_bytes()).await;
    let ring = ring.map_err(|error| failed("create the journal's ring")((path, error)))?;
    Ok((ring, slots))
}

/// Replays every old journal whose number falls to this shard, whichever shard owns its partitions now.
pub(crate) async fn replay_old(inner: &Inner, facts: &Facts, index: ShardIndex) -> Result<(), OpenError> {
    let Some(old) = &facts.old else { return Ok(()) };
    for shard in (index.0..old.shards).step_by(usize::from(inner.settings.shards)) {
        let recovered = replay_journal(inner, facts, old, ShardIndex(shard)).await?;
        inner.startup.give(recovered);
    }
    Ok(())
}

async fn replay_journal(
    inner: &Inner,
    facts: &Facts,
    old: &Manifest,
    shard: ShardIndex,
) -> Result<Vec<RecoveredPartition>, OpenError> {
    let dir = inner.layout.shard(old.generation, shard);
    let first = read_if_there(checkpoint_file(&dir, 0)).await?;
    let second = read_if_there(checkpoint_file(&dir, 1)).await?;
    let checkpoints = Checkpoints::choose([first.as_deref(), second.as_deref()]);
    for fault in checkpoints.faults.iter().flatten() {
        tracing::warn!(%shard, %fault, "a checkpoint is damaged");
    }
    let mut slots = Vec::new();
    for number in 0..usize::from(old.slots.count) {
        let path = slot_file(&dir, number);
        let bytes = fs::read(&path).await.map_err(|error| OpenError::io("read", &path, &error))?;
        slots.push(Bytes::from(bytes));
    }
    let ring = read_ring(inner, facts, old, shard).await?;
    let ring_file = old.ring(&inner.layout, shard);
    let data_dir = inner.layout.data().to_path_buf();
    let bounds = CheckpointBounds::of([first.as_deref(), second.as_deref()], shard, old.boot);
    let Manifest { boot, shards, .. } = *old;
    let metadata_log = inner.layout.metadata_log();
    let journal =
        OldJournal { shard, boot, shards, dir, slots, ring, ring_file, bounds, data_dir, metadata_log };
    let lacks_one = checkpoints.faults.iter().any(Option::is_some) || first.is_none() || second.is_none();
    let replayed = match checkpoints.newest {
        Some(newest) => match journal.replay(Some(newest), facts.known()) {
            // Perhaps it is that the one damaged or missing was the newer,
            // and frames that it made needless are gone.
            Err(_) if lacks_one => None,
            replayed => Some(replayed?),
        },
        None => None,
    };
    match replayed {
        Some(replayed) => Ok(replayed),
        None => journal.rebuild(&inner.layout, &facts.systems, facts.known()).await,
    }
}

async fn read_if_there(path: PathBuf) -> Result<Option<Vec<u8>>, OpenError> {
    if !is_there(&path).await? {
        return Ok(None);
    }
    fs::read(&path).await.map(Some).map_err(|error| OpenError::io("read", &path, &error))
}

/// Names the new generation as the valid one, then removes what the old one left.
pub(crate) async fn switch(inner: &Inner, facts: &Facts) -> Result<(), OpenError> {
    let layout = &inner.layout;
    let dirs = [layout.generation(facts.new.generation), layout.journals().to_path_buf()];
    for dir in &dirs {
        fs::sync_dir(dir).await.map_err(|error| OpenError::io("sync the directory", dir, &error))?;
    }
    let path = layout.manifest();
    let encoded = facts.new.encode().into_bytes();
    fs::replace(&path, encoded).await.map_err(|error| OpenError::io("write", &path, &error))?;
    let Some(old) = facts.old.clone() else { return Ok(()) };
    let (layout, directory) = (layout.clone(), facts.new.directory);
    // At once: the next manifest does not say any more where they are.
    remove_old_rings(&layout, &old, directory).await;
    // Before any shard serves: a topic created later may have the name of one whose files are to go.
    let deleted = put_strangers_aside(&layout, facts).await?;
    millrace_rt::spawn(async move {
        let generation = layout.generation(old.generation);
        if let Err(error) = fs::remove_dir_all(&generation).await {
            tracing::warn!(path = %generation.display(), %error, "an old journal is still there");
        }
        for path in deleted {
            if let Err(error) = fs::remove_dir_all(&path).await {
                tracing::warn!(path = %path.display(), %error, "a deleted topic's files are still there");
            }
        }
    });
    Ok(())
}

/// Renames the directories that are of no partition: of a topic that was deleted before a crash, so that no
/// power loss brings its name back, and those that nothing knows, which stay. Returns what is to be removed.
async fn put_strangers_aside(layout: &Layout, facts: &Facts) -> Result<Vec<PathBuf>, OpenError> {
    let topics = layout.topics();
    let entries =
        fs::read_dir(&topics).await.map_err(|error| OpenError::io("read the directory", &topics, &error))?;
    let (known, start) = (facts.known(), facts.new.generation);
    let (mut deleted, mut has_renamed) = (Vec::new(), false);
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let path = topics.join(&entry.name);
        let target = match known.standing(&entry.name) {
            Standing::Known | Standing::LeftAlone => continue,
            Standing::SetAside => {
                deleted.push(path);
                continue;
            }
            Standing::Deleted => layout.put_aside_deleted(&entry.name, start),
            Standing::Unknown => {
                let target = layout.unknown(&entry.name, millrace_rt::wall_now_ms());
                tracing::error!(
                    path = %path.display(), put_aside = %target.display(),
                    "neither the metadata log nor a journal knows this directory; it is put aside, with all that it holds"
                );
                target
            }
        };
        fs::rename(&path, &target).await.map_err(|error| OpenError::io("put aside", &path, &error))?;
        has_renamed = true;
        if known.standing(&entry.name) == Standing::Deleted {
            deleted.push(target);
        }
    }
    if has_renamed || !deleted.is_empty() {
        fs::sync_dir(&topics).await.map_err(|error| OpenError::io("sync the directory", &topics, &error))?;
    }
    Ok(deleted)
}
