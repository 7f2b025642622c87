//! What shard 0 does before any shard opens: the lock, the metadata, the manifest, what the disk can do.

use std::path::Path;
use std::sync::Arc;

use millrace_core::journal::BootNonce;
use millrace_rt::fs::DirLock;
use millrace_rt::{File, OpenOptions, fs};

use crate::api::OpenError;
use crate::directory::file_systems::FileSystems;
use crate::directory::layout::{Generation, Layout};
use crate::directory::manifest::{Manifest, SlotShape, Stopped};
use crate::directory::vouching::{KnownTopics, is_there, refuse_missing_manifest, refuse_missing_slots};
use crate::files::segment_files::DiskMode;
use crate::metadata::log::{MetadataLog, OpenedLog};
use crate::recovery::engine::{Facts, Inner};
use crate::recovery::rings::place_rings;

/// What only shard 0 holds while the process runs.
pub(crate) struct Prepared {
    pub(crate) facts: Facts,
    pub(crate) metadata: MetadataLog,
}

pub(crate) async fn prepare(inner: &Inner) -> Result<Prepared, OpenError> {
    let layout = &inner.layout;
    make_dir(layout.data()).await?;
    let lock = lock_for(&layout.lock(), layout.data()).await?;
    make_dir(&layout.metadata_dir()).await?;
    make_dir(&layout.topics()).await?;
    make_dir(layout.journals()).await?;
    sync_way_to(layout.data()).await?;
    sync_way_to(layout.journals()).await?;
    let journal_lock = lock_for(&layout.journal_lock(), layout.journals()).await?;
    let mode = disk_mode(layout).await?;
    let systems = FileSystems::find(layout).await?;
    let old = read_manifest(layout).await?;
    let locks = vec![lock, journal_lock];
    let OpenedLog { mut log, image, deleted } = MetadataLog::open(layout, locks, old.as_ref()).await?;
    // Before anything is removed or written.
    match &old {
        Some(old) => refuse_missing_slots(layout, old).await?,
        None => refuse_missing_manifest(layout, KnownTopics { image: &image, deleted: &deleted }).await?,
    }
    let geometry = inner.geometry()?;
    let directory = fs::identity(layout.data()).await;
    let directory = directory.map_err(|error| OpenError::io("look at", layout.data(), &error))?;
    let ring_bytes = geometry.ring_bytes() as u64;
    let rings = place_rings(inner, directory, old.as_ref(), ring_bytes).await?;
    let generation = next_generation(old.as_ref(), layout).await?;
    let image = log.start_run(&inner.settings, layout, image, is_unclean(old.as_ref())).await?;
    let new = Manifest {
        node: old.as_ref().map_or_else(millrace_rt::random_u64, |manifest| manifest.node),
        generation,
        boot: BootNonce(millrace_rt::random_u64()),
        shards: inner.settings.shards,
        slots: SlotShape {
            count: u16::try_from(geometry.slot_count()).unwrap_or(u16::MAX),
            bytes: geometry.slot_bytes() as u64,
        },
        metadata_index: log.index(),
        directory,
        rings: rings.dir,
        ring_bytes,
        memory: rings.memory,
        durability: inner.settings.broker.durability(),
        stopped: Stopped::Unclean,
    };
    let facts = Facts { image: Arc::new(image), deleted, mode, systems, old, new };
    Ok(Prepared { facts, metadata: log })
}

fn is_unclean(old: Option<&Manifest>) -> Stopped {
    old.map_or(Stopped::Clean, |manifest| manifest.stopped)
}

async fn lock_for(path: &Path, held: &Path) -> Result<DirLock, OpenError> {
    fs::lock(path).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::InUse(held.to_path_buf()),
        _ => OpenError::io("lock", path, &error),
    })
}

async fn make_dir(path: &Path) -> Result<(), OpenError> {
    fs::create_dir_all(path).await.map_err(|error| OpenError::io("create the directory", path, &error))
}

/// Hardens the entries that lead to a directory,
/// also those that an earlier start made and had no time to harden.
async fn sync_way_to(path: &Path) -> Result<(), OpenError> {
    for dir in path.ancestors().skip(1) {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        match fs::sync_dir(dir).await {
            // A user who may not read a directory has made nothing in it.
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
                return Err(OpenError::io("sync the directory", dir, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Tries direct I/O once, in the data directory.
async fn disk_mode(layout: &Layout) -> Result<DiskMode, OpenError> {
    let path = layout.data().join(".direct");
    let options = OpenOptions { create: true, write: true, direct: true, ..OpenOptions::default() };
    let opened = File::open(&path, options).await;
    let mode = match opened {
        Ok(_) => DiskMode::Direct,
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
            tracing::warn!(
                path = %layout.data().display(),
                "the file system takes no direct I/O (O_DIRECT); files go through the page cache, outside the memory \
                 budget. Use ext4 or xfs for the promised latency."
            );
            DiskMode::Buffered
        }
        Err(error) => return Err(OpenError::io("write to", layout.data(), &error)),
    };
    // Another start tries again; a left-over probe is harmless.
    let _ = fs::remove_file(&path).await;
    Ok(mode)
}

async fn read_manifest(layout: &Layout) -> Result<Option<Manifest>, OpenError> {
    let path = layout.manifest();
    if !is_there(&path).await? {
        return Ok(None);
    }
    let bytes = fs::read(&path).await.map_err(|error| OpenError::io("read", &path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    Manifest::decode(&text).map(Some).map_err(|reason| OpenError::Corrupt(path, reason))
}

/// The next generation has a number that no directory has; what a start left unfinished is removed.
async fn next_generation(old: Option<&Manifest>, layout: &Layout) -> Result<Generation, OpenError> {
    let path = layout.journals();
    let entries =
        fs::read_dir(path).await.map_err(|error| OpenError::io("read the directory", path, &error))?;
    let valid = old.map(|manifest| manifest.generation);
    let mut newest = valid.map_or(0, |generation| generation.0);
    for number in entries.iter().filter_map(|entry| entry.name.parse::<u64>().ok()) {
        newest = newest.max(number);
        if Some(Generation(number)) != valid {
            let left_over = layout.generation(Generation(number));
            fs::remove_dir_all(&left_over)
                .await
                .map_err(|error| OpenError::io("remove", &left_over, &error))?;
        }
    }
    Ok(Generation(newest + 1))
}
