//! Files: positioned reads and writes through the kernel's ring.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::io::fs::{request, unexpected};
use crate::memory::block::{BLOCK_ALIGNMENT, Block};
use crate::shard::{self, Pending};
use crate::submission::operation::{Answer, DiskAnswer, DiskRequest, FileHandle, Operation, Outcome, Pieces};
pub use crate::submission::operation::{OpenOptions, Sync};

/// An open file of the current shard. Dropping any future of its methods leaves data and blocks with the
/// operation slot until the kernel is done; a write may or may not have happened then. Dropping the file
/// closes it after the last operation in flight.
pub struct File {
    handle: Arc<FileHandle>,
    direct: bool,
}

impl File {
    /// `Unsupported` if the file system offers no direct I/O.
    pub async fn open(path: &Path, options: OpenOptions) -> io::Result<File> {
        let direct = options.direct;
        match request(DiskRequest::Open { path: path.to_owned(), options }).await? {
            DiskAnswer::Opened(handle) => Ok(File { handle: Arc::new(handle), direct }),
            _ => Err(unexpected()),
        }
    }

    /// Reads into the first `len` bytes of `block`. Short at the end of the file, 0 beyond it.
    pub async fn read_at(&self, at: u64, block: Block, len: usize) -> (io::Result<usize>, Block) {
        assert!(len <= block.capacity(), "a read of {len} bytes into {block:?}");
        self.check(at, len);
        let file = Arc::clone(&self.handle);
        match shard::current().start(Operation::Read { file, at, block, len }).await {
            (Operation::Read { block, .. }, answer) => (count_of(answer), block),
            _ => panic!("a slot changed its operation"),
        }
    }

    /// One kernel write, which may be short.
    pub async fn write_at(&self, at: u64, data: Bytes, sync: Sync) -> io::Result<usize> {
        self.write_vectored_at(at, vec![data], sync).await
    }

    /// Writes all, repeating short writes. A write that makes no progress is an error (`WriteZero`). With a
    /// direct file only whole blocks count: the rest of a block that was cut is written again.
    pub async fn write_all_at(&self, mut at: u64, mut data: Bytes, sync: Sync) -> io::Result<()> {
        let mut stalled = false;
        while !data.is_empty() {
            let written = self.write_at(at, data.clone(), sync).await?;
            let done = if self.direct && written < data.len() {
                written / BLOCK_ALIGNMENT * BLOCK_ALIGNMENT
            } else {
                written
            };
            if done == 0 {
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                // Less than a block came through. The next try says what is in the way, or stops there again:
                // then the device has room for a part of a block only.
                if std::mem::replace(&mut stalled, true) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                continue;
            }
            at += done as u64;
            data = data.slice(done..);
        }
        Ok(())
    }

    /// One kernel write of several pieces (the first 1024), which may be short.
    /// With a direct file each piece is aligned.
    pub async fn write_vectored_at(&self, at: u64, pieces: Vec<Bytes>, sync: Sync) -> io::Result<usize> {
        let write = self.write_of(at, pieces, sync);
        if matches!(&write, Operation::Write { pieces, .. } if pieces.is_empty()) {
            return Ok(0);
        }
        let (_, answer) = shard::current().start(write).await;
        count_of(answer)
    }

    /// One kernel write, which may be short, that the kernel has when this returns: for a caller that goes on
    /// working meanwhile. Others leave it to the end of the turn, where one call takes everything.
    pub fn begin_write_at(&self, at: u64, pieces: Vec<Bytes>, sync: Sync) -> BegunWrite {
        BegunWrite(shard::current().start_at_once(self.write_of(at, pieces, sync)))
    }

    fn write_of(&self, at: u64, pieces: Vec<Bytes>, sync: Sync) -> Operation {
        for piece in &pieces {
            self.check(at, piece.len());
            let aligned = !self.direct || (piece.as_ptr() as usize).is_multiple_of(BLOCK_ALIGNMENT);
            assert!(aligned, "direct I/O from an address that is not aligned to {BLOCK_ALIGNMENT}");
        }
        Operation::Write { file: Arc::clone(&self.handle), at, pieces: Pieces::new(pieces), sync }
    }

    /// Hardens the data of the file and its length (fdatasync), not its directory entry.
    pub async fn sync_data(&self) -> io::Result<()> {
        let file = Arc::clone(&self.handle);
        let (_, answer) = shard::current().start(Operation::SyncData { file }).await;
        count_of(answer).map(drop)
    }

    /// Reserves space on the device; the length of the file stays. Unwritten parts read zeros.
    pub async fn allocate(&self, at: u64, len: u64) -> io::Result<()> {
        let file = Arc::clone(&self.handle);
        let (_, answer) = shard::current().start(Operation::Allocate { file, at, len }).await;
        count_of(answer).map(drop)
    }

    /// Cuts or extends (with zeros) the file to `len` bytes.
    pub async fn truncate(&self, len: u64) -> io::Result<()> {
        request(DiskRequest::Truncate { file: Arc::clone(&self.handle), len }).await.map(drop)
    }

    /// Length in bytes.
    pub async fn len(&self) -> io::Result<u64> {
        match request(DiskRequest::FileLength(Arc::clone(&self.handle))).await? {
            DiskAnswer::Number(len) => Ok(len),
            _ => Err(unexpected()),
        }
    }

    fn check(&self, at: u64, len: usize) {
        let aligned = at.is_multiple_of(BLOCK_ALIGNMENT as u64) && len.is_multiple_of(BLOCK_ALIGNMENT);
        assert!(aligned || !self.direct, "direct I/O of {len} bytes at {at} is not aligned");
    }
}

/// A write in flight; it ends with the bytes written. Dropping it leaves the data with the operation slot
/// until the kernel is done; the write may or may not have happened then.
pub struct BegunWrite(Pending);

impl Future for BegunWrite {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll(cx).map(|(_, answer)| count_of(answer))
    }
}

pub(crate) fn count_of(answer: Answer) -> io::Result<usize> {
    match answer? {
        Outcome::Count(count) => Ok(count),
        Outcome::Disk(_) | Outcome::Connected(_) => Err(unexpected()),
    }
}
