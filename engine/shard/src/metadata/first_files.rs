//! Directories and first segment files of partitions, made in the background: of many at once,
//! hardened by one sync.
//!
//! A partition's first append would wait for them, each for syncs of its own, and with ten thousand new
//! partitions that is most of what they get through.
//! A write that comes sooner makes the partition's file itself (`files`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use millrace_core::base::ids::{Offset, PartitionKey, ShardIndex};
use millrace_rt::{Shutdown, Signal};

use crate::api::Planted;
use crate::device::fatal::Fatal;
use crate::device::planted::PlantedFault;
use crate::device::space::Space;
use crate::files::segment_files::SegmentFiles;
use crate::flush::tail_flusher::{TailFlusher, begin_writing};
use crate::partition::segment::FileState;
use crate::partition::state::{Directory, PartitionRef};
use crate::partition::table::Table;

/// Made by one call, for 2 to 10 ms; nobody else writes to these partitions meanwhile.
const AT_ONCE: usize = 32;
/// Hardened by one sync, which takes the device for some 10 ms.
const SYNCED_AT_ONCE: usize = 256;

/// Partitions of one shard that have no file yet, until each had its turn. Driven by one task.
pub(crate) struct FirstFiles {
    pub(crate) shard: ShardIndex,
    pub(crate) waiting: RefCell<VecDeque<PartitionKey>>,
    pub(crate) work: Signal,
    pub(crate) table: Rc<Table>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) space: Rc<Space>,
    pub(crate) planted: PlantedFault,
    pub(crate) fatal: Fatal,
    pub(crate) shutdown: Shutdown,
}

impl FirstFiles {
    pub(crate) fn push(&self, key: PartitionKey) {
        self.waiting.borrow_mut().push_back(key);
        self.work.notify_all();
    }

    /// Ends after the files that are being made.
    pub(crate) async fn stop(&self) {
        self.shutdown.ask(&self.work).await;
    }

    /// Makes the files of every partition that has none, and then of those that come. Begins when the
    /// generation of this run is the valid one, and runs until it is stopped.
    pub(crate) async fn run(self: Rc<Self>) {
        for partition in self
            .table
            .all()
            .iter()
            .filter(|partition| partition.borrow().directory.state == Directory::Missing)
        {
            self.push(partition.borrow().key);
        }
        let mut soft: Vec<(PartitionRef, Offset)> = Vec::new();
        let mut made = 0;
        while !self.shutdown.is_asked() {
            let keys = self.next();
            let is_last = keys.is_empty();
            soft.extend(self.make_files(keys).await);
            if soft.len() >= SYNCED_AT_ONCE || (is_last && !soft.is_empty()) {
                made += soft.len();
                self.harden_files(std::mem::take(&mut soft)).await;
            } else if is_last {
                if std::mem::take(&mut made) > 0 {
                    tracing::debug!(shard = %self.shard, "every partition has its first file");
                }
                self.work.wait().await;
            }
        }
        self.shutdown.done();
    }

    /// Returns those that were made.
    async fn make_files(&self, keys: Vec<PartitionKey>) -> Vec<(PartitionRef, Offset)> {
        // Where the disk is short its space is for what the journal holds.
        let keys = if self.space.is_short() { Vec::new() } else { keys };
        let mut firsts: Vec<_> = keys.into_iter().filter_map(|key| self.begin_first(key)).collect();
        if firsts.is_empty() {
            return firsts;
        }
        let mut results = self.files.make_firsts(&firsts).await.into_iter();
        firsts.retain(|(partition, base)| {
            let made = results.next().unwrap_or(Ok(()));
            if let Err(error) = &made {
                let key = partition.borrow().key;
                tracing::debug!(%key, %error, "a partition's first file waits for its first write");
            }
            self.flusher.end_writing(partition, *base);
            made.is_ok()
        });
        firsts
    }

    /// The partition with its only segment, if that has no file and nobody is about to make it.
    fn begin_first(&self, key: PartitionKey) -> Option<(PartitionRef, Offset)> {
        let partition = self.table.get(key)?;
        let base = {
            let state = partition.borrow();
            let is_bare = !state.is_removed()
                && state.directory.state == Directory::Missing
                && state.segments.len() == 1;
            is_bare.then(|| state.active().base)?
        };
        begin_writing(&partition, base).then_some((partition, base))
    }

    /// One sync hardens the files and the directories that they are in.
    async fn harden_files(&self, made: Vec<(PartitionRef, Offset)>) {
        if !self.planted.is(Planted::TrustsSoftFiles)
            && let Err(error) = self.files.systems.sync().await
        {
            self.fatal.end(format!("a sync of the data directory failed: {error}")).await;
        }
        for (partition, base) in made {
            if let Some(segment) = partition.borrow_mut().segment_mut(base) {
                segment.file_is(FileState::Linked);
            }
        }
    }

    /// Those whose turn it is; none where nobody waits.
    fn next(&self) -> Vec<PartitionKey> {
        let mut waiting = self.waiting.borrow_mut();
        let count = waiting.len().min(AT_ONCE);
        waiting.drain(..count).collect()
    }
}
