//! Memory that outlives the process: the journal's ring.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::io::fs::{request, unexpected};
use crate::memory::region::Region;
use crate::shard;
use crate::submission::operation::{DirLock, DiskAnswer, DiskRequest};

/// A file in tmpfs (mode 0600), mapped shared and populated, and locked for this process. It survives the end
/// of the process, not the loss of power. Ranges that are being written must not be read at the same time, be
/// it by `bytes` or through a view.
pub struct SharedMemory {
    region: Arc<Region>,
    _lock: DirLock,
}

impl SharedMemory {
    /// A new, zeroed region of `len` bytes; replaces the file if there is one. `StorageFull` where there is
    /// no room for it, `WouldBlock` where another process uses the file.
    pub async fn create(path: &Path, len: usize) -> io::Result<SharedMemory> {
        SharedMemory::ask(DiskRequest::RegionCreate { path: path.to_owned(), len }).await
    }

    /// What an earlier process left; `WouldBlock` where that one, or another, still uses it.
    pub async fn open(path: &Path) -> io::Result<SharedMemory> {
        SharedMemory::ask(DiskRequest::RegionOpen(path.to_owned())).await
    }

    /// Removes the file of one that no process uses (`WouldBlock`).
    pub async fn remove(path: &Path) -> io::Result<()> {
        request(DiskRequest::RegionRemove(path.to_owned())).await.map(drop)
    }

    pub fn len(&self) -> usize {
        self.region.len()
    }

    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// Copies a part of a frame into it, which counts as payload of the current shard.
    pub fn write(&self, at: usize, data: &[u8]) {
        self.region.write(at, data, &shard::current().copies);
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        self.region.bytes(0..self.region.len())
    }

    /// A range for a write to a file or a socket. It must not be overwritten while the view lives.
    pub fn view(&self, range: Range<usize>) -> Bytes {
        self.region.view(range)
    }

    async fn ask(ask: DiskRequest) -> io::Result<SharedMemory> {
        match request(ask).await? {
            DiskAnswer::Region(region, lock) => Ok(SharedMemory { region, _lock: lock }),
            _ => Err(unexpected()),
        }
    }
}

/// Whether `dir` can hold shared memory that outlives the process; the error says why not.
pub async fn shared_memory_usable(dir: &Path) -> io::Result<()> {
    request(DiskRequest::RegionUsable(dir.to_owned())).await.map(drop)
}

/// What is another one whenever the memory behind `dir` was cleared: after a power loss, and where another
/// tmpfs, or another directory, has the path now.
pub async fn shared_memory_life(dir: &Path) -> io::Result<String> {
    match request(DiskRequest::MemoryLife(dir.to_owned())).await? {
        DiskAnswer::Text(life) => Ok(life),
        _ => Err(unexpected()),
    }
}

/// The same for a tool that runs no shards.
pub fn shared_memory_life_of(dir: &Path) -> io::Result<String> {
    crate::uring::disk_calls::memory_life(dir)
}
