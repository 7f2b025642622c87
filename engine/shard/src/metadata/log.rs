//! The file of the metadata log, which shard 0 alone writes.
//!
//! A damaged last entry looks like a write that power loss tore, which no client was told of. So behind each
//! change, once it is on the device, comes an entry without records: it says that the one before it counts.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millrace_core::base::ids::{LeaderEpoch, Offset};
use millrace_core::meta::{self, DecodedLog, DeletedTopics, MetadataEntry, MetadataImage, MetadataRecord};
use millrace_rt::fs::DirLock;
use millrace_rt::{File, OpenOptions, Signal, Sync, fs};

use crate::api::{EngineSettings, MetadataQuorum, OpenError};
use crate::device::turns::{Turn, Turns};
use crate::directory::layout::Layout;
use crate::directory::manifest::{Manifest, Stopped};
use crate::directory::vouching::is_there;

/// Owned by shard 0. Each change is durable before anybody sees it.
pub(crate) struct MetadataLog {
    file: File,
    position: Cell<u64>,
    /// Room was taken up to here, so that a full disk takes deletions.
    allocated: Cell<u64>,
    index: Cell<u64>,
    /// An entry behind the last change says that it is durable.
    vouched: Cell<bool>,
    /// The last change has no such entry yet.
    pub(crate) changed: Signal,
    /// The right to change metadata.
    turns: Turns,
    /// Held as long as the process uses the data directory and that of its journals.
    _locks: Vec<DirLock>,
}

/// A log that was read, and what it says.
pub(crate) struct OpenedLog {
    pub(crate) log: MetadataLog,
    pub(crate) image: MetadataImage,
    pub(crate) deleted: DeletedTopics,
}

/// Counts the leaders of the metadata log; alone, a node leads from the first day.
const EPOCH: i32 = 1;

/// Room taken ahead: some hundreds of changes.
const ROOM_BYTES: u64 = 64 * 1024;
/// Of it this much is left to changes that make space: a thousand deletions.
const FREEING_BYTES: u64 = 32 * 1024;

/// What a change of the metadata leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// The disk will hold more, or as much.
    ToMore,
    /// Deletions, and settings, which may say that less is kept.
    ToLess,
}

const _: () = assert!(FREEING_BYTES < ROOM_BYTES);

impl MetadataLog {
    /// Reads the log and cuts off what a torn last write left. A log that lacks what it had when the manifest
    /// was written is refused, as it is.
    pub(crate) async fn open(
        layout: &Layout,
        locks: Vec<DirLock>,
        manifest: Option<&Manifest>,
    ) -> Result<OpenedLog, OpenError> {
        let path = layout.metadata_log();
        let failed = |error| OpenError::io("read", &path, &error);
        let vouched_to = manifest.map_or(0, |manifest| manifest.metadata_index);
        let missing = |found: &str| {
            let what = format!("{found}; {} counts {vouched_to} entries", layout.manifest().display());
            OpenError::Missing { file: path.clone(), what, data_dir: layout.data().to_path_buf() }
        };
        if vouched_to > 0 && !is_there(&path).await? {
            return Err(missing("the metadata log is missing"));
        }
        let options = OpenOptions { create: true, write: true, ..OpenOptions::default() };
        let file = File::open(&path, options).await.map_err(failed)?;
        fs::sync_dir(&layout.metadata_dir()).await.map_err(failed)?;
        fs::sync_dir(layout.data()).await.map_err(failed)?;
        let bytes = fs::read(&path).await.map_err(failed)?;
        let corrupt = |reason: String| OpenError::Corrupt(path.clone(), reason);
        let decoded = DecodedLog::decode(&bytes).map_err(|error| corrupt(error.to_string()))?;
        let index = decoded.entries.last().map_or(0, |last| last.index);
        if index < vouched_to {
            return Err(missing(&format!("the metadata log ends behind entry {index}")));
        }
        file.truncate(decoded.valid_bytes).await.map_err(failed)?;
        // The last entry may come from a write that a process died in: it is whole, and not yet on the
        // device. Entries behind it would harden only themselves.
        file.sync_data().await.map_err(failed)?;
        let mut image = MetadataImage::default();
        for entry in &decoded.entries {
            image.apply_all(&entry.records).map_err(|fault| corrupt(fault.to_string()))?;
        }
        let deleted = DeletedTopics::of(&decoded.entries);
        let vouched = decoded.entries.last().is_none_or(|last| last.records.is_empty());
        let log = MetadataLog {
            file,
            position: Cell::new(decoded.valid_bytes),
            allocated: Cell::new(0),
            index: Cell::new(index),
            vouched: Cell::new(vouched),
            changed: Signal::new(),
            turns: Turns::default(),
            _locks: locks,
        };
        Ok(OpenedLog { log, image, deleted })
    }

    /// What every start writes: the cluster if it is new, this broker's registration,
    /// leader epochs after an unclean end.
    pub(crate) async fn start_run(
        &mut self,
        settings: &EngineSettings,
        layout: &Layout,
        mut image: MetadataImage,
        stopped: Stopped,
    ) -> Result<MetadataImage, OpenError> {
        let broker = &settings.broker;
        let mut records = Vec::new();
        if image.cluster_id().is_empty() {
            let mut id = [0; 16];
            millrace_rt::fill_random(&mut id);
            records.extend(meta::bootstrap(&URL_SAFE_NO_PAD.encode(id), broker));
        }
        records.extend(meta::register_broker(&image, broker, &settings.endpoints));
        if stopped == Stopped::Unclean {
            records.extend(meta::raise_leader_epochs(&image, broker.node_id()));
        }
        if !records.is_empty() {
            let path = layout.metadata_log();
            image.apply_all(&records).map_err(|fault| OpenError::Corrupt(path.clone(), fault.to_string()))?;
            let written = self.append(records, Leads::ToLess).await;
            written.map_err(|error| OpenError::io("write", &path, &error))?;
        }
        // A node whose disk is full starts all the same, so that something can be deleted.
        if let Err(error) = self.make_room(self.position.get(), Leads::ToMore).await
            && error.kind() != std::io::ErrorKind::StorageFull
        {
            return Err(OpenError::io("allocate", &layout.metadata_log(), &error));
        }
        Ok(image)
    }

    /// Nothing is written where the disk is too full for it (`StorageFull`).
    pub(crate) async fn append(&self, records: Vec<MetadataRecord>, leads: Leads) -> std::io::Result<()> {
        let index = self.index.get() + 1;
        let vouches = records.is_empty();
        let mut bytes = Vec::new();
        MetadataEntry { epoch: EPOCH, index, hard_index: index - 1, records }.encode(&mut bytes);
        let length = bytes.len() as u64;
        self.make_room(self.position.get() + length, leads).await?;
        self.file.write_all_at(self.position.get(), bytes.into(), Sync::Dsync).await?;
        self.position.set(self.position.get() + length);
        self.index.set(index);
        self.vouched.set(vouches);
        self.changed.notify_all();
        Ok(())
    }

    /// Of the last entry.
    pub(crate) fn index(&self) -> u64 {
        self.index.get()
    }

    pub(crate) fn quorum(&self) -> MetadataQuorum {
        // Entries are counted in this process's life and the ones before: far below the range of an offset.
        let next = i64::try_from(self.index.get() + 1).unwrap_or(i64::MAX);
        MetadataQuorum { leader_epoch: LeaderEpoch(EPOCH), end_offset: Offset(next) }
    }

    pub(crate) fn is_vouched(&self) -> bool {
        self.vouched.get()
    }

    /// Has the log say that its last change is durable. Only within a turn.
    pub(crate) async fn vouch(&self) -> std::io::Result<()> {
        if self.is_vouched() { Ok(()) } else { self.append(Vec::new(), Leads::ToLess).await }
    }

    async fn make_room(&self, end: u64, leads: Leads) -> std::io::Result<()> {
        let needed = if leads == Leads::ToMore { end + FREEING_BYTES } else { end };
        if needed > self.allocated.get() {
            let from = self.position.get();
            let room = (needed - from).next_multiple_of(ROOM_BYTES);
            self.file.allocate(from, room).await?;
            self.allocated.set(from + room);
        }
        Ok(())
    }

    /// A change is written and told within a turn; the next one waits.
    /// Dropping the future leaves the turn to others.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        self.turns.turn().await
    }
}
