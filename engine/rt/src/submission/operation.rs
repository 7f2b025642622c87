//! What a shard asks of its kernel, and what comes back. An operation owns all memory and handles it touches.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use socket2::SockAddr;

use crate::memory::block::Block;
use crate::memory::region::Region;
use crate::submission::names::{InodeId, SocketId};
use crate::submission::notes::{Note, Notes};

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// The kernel has it.
    None,
    /// The device has it (RWF_DSYNC). Hardens this write only, nothing written before.
    Dsync,
}

/// How a file is opened. The default is read only, through the page cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Create the file if it is missing (mode 0644).
    pub create: bool,
    /// Create the file, fail if it exists.
    pub create_new: bool,
    pub write: bool,
    /// O_DIRECT: positions, lengths and addresses are multiples of 4 KiB.
    pub direct: bool,
}

/// What a file system has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailableSpace {
    pub bytes: u64,
    /// Its size, of which they are left.
    pub total_bytes: u64,
    /// Files and directories that can still be made; `u64::MAX` where the file system does not count them.
    pub inodes: u64,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    pub name: String,
    pub is_dir: bool,
}

/// Which file or directory a path leads to: another than its copy, and the same after a renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    pub device: u64,
    pub inode: u64,
}

/// An open file; the last owner closes it.
#[derive(Debug)]
pub(crate) enum FileHandle {
    Uring(OwnedFd),
    World(InodeId),
}

/// Closes the simulated socket when dropped, as a descriptor does.
#[derive(Debug)]
pub(crate) struct TwinSocket {
    pub(crate) id: SocketId,
    pub(crate) notes: Arc<Notes>,
}

impl Drop for TwinSocket {
    fn drop(&mut self) {
        self.notes.push(Note::SocketClosed(self.id));
    }
}

/// An open socket; the last owner closes it.
#[derive(Debug)]
pub(crate) enum SocketHandle {
    Uring(OwnedFd),
    World(TwinSocket),
}

/// An exclusive lock on a file, held until dropped (or until the process ends).
#[derive(Debug)]
pub struct DirLock {
    _held: HeldLock,
}

impl DirLock {
    pub(crate) fn new(held: HeldLock) -> DirLock {
        DirLock { _held: held }
    }
}

#[derive(Debug)]
pub(crate) enum HeldLock {
    /// The lock belongs to the open file description and goes with it.
    Uring { _file: OwnedFd },
    /// The storage of the node knows it weakly: it is held as long as this lives.
    World { _token: Arc<()> },
}

/// Kernel structures of a gather, kept at a stable address until completion.
#[derive(Default)]
pub(crate) struct Gather {
    pub(crate) vectors: Vec<libc::iovec>,
    pub(crate) header: Option<Box<libc::msghdr>>,
}

/// The rest of a vectored transfer: pieces not yet taken by the kernel.
pub(crate) struct Pieces {
    list: Vec<Bytes>,
    first: usize,
    pub(crate) gather: Gather,
}

impl Pieces {
    pub(crate) fn new(list: Vec<Bytes>) -> Pieces {
        let mut pieces = Pieces { list, first: 0, gather: Gather::default() };
        pieces.skip_empty();
        pieces
    }

    pub(crate) fn remaining(&self) -> &[Bytes] {
        self.list.get(self.first..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remaining().is_empty()
    }

    pub(crate) fn byte_count(&self) -> usize {
        self.remaining().iter().map(Bytes::len).sum()
    }

    /// Forgets the first `bytes` bytes, which the kernel has taken.
    pub(crate) fn advance(&mut self, mut bytes: usize) {
        while let Some(piece) = self.list.get_mut(self.first) {
            if bytes < piece.len() {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            *piece = Bytes::new();
            self.first += 1;
        }
        assert_eq!(bytes, 0, "the kernel took more than it was given");
    }

    fn skip_empty(&mut self) {
        while self.list.get(self.first).is_some_and(Bytes::is_empty) {
            self.first += 1;
        }
    }
}

/// One request to the kernel. While it runs it lives in its slot, whatever happens to the future that waits.
pub(crate) enum Operation {
    Read {
        file: Arc<FileHandle>,
        at: u64,
        block: Block,
        len: usize,
    },
    Write {
        file: Arc<FileHandle>,
        at: u64,
        pieces: Pieces,
        sync: Sync,
    },
    SyncData {
        file: Arc<FileHandle>,
    },
    Allocate {
        file: Arc<FileHandle>,
        at: u64,
        len: u64,
    },
    Recv {
        socket: Arc<SocketHandle>,
        block: Block,
        from: usize,
    },
    Send {
        socket: Arc<SocketHandle>,
        pieces: Pieces,
    },
    Accept {
        listener: Arc<SocketHandle>,
    },
    /// `socket` is none in the simulated world, which makes it on success.
    Connect {
        socket: Option<Arc<SocketHandle>>,
        to: SocketAddr,
        address: Box<SockAddr>,
    },
    /// Taken out by the kernel when the request starts.
    Disk(Option<DiskRequest>),
    /// Completed by something outside the kernel: a gate.
    Outside,
}

/// Work on paths and metadata, names of hosts, and long computations: a blocking thread does it,
/// or the simulated machine.
#[derive(Debug)]
pub(crate) enum DiskRequest {
    Open { path: PathBuf, options: OpenOptions },
    FileLength(Arc<FileHandle>),
    Truncate { file: Arc<FileHandle>, len: u64 },
    CreateDirAll(PathBuf),
    CreateAlone(Vec<PathBuf>),
    SyncDir(PathBuf),
    ReadDir(PathBuf),
    Elsewhere(PathBuf),
    RemoveFile(PathBuf),
    RemoveDirAll(PathBuf),
    Rename { from: PathBuf, to: PathBuf },
    Exists(PathBuf),
    PathLength(PathBuf),
    ReadAll(PathBuf),
    Replace { path: PathBuf, contents: Vec<u8> },
    SyncFs(PathBuf),
    AvailableSpace(PathBuf),
    Lock(PathBuf),
    RegionCreate { path: PathBuf, len: usize },
    RegionOpen(PathBuf),
    RegionRemove(PathBuf),
    RegionUsable(PathBuf),
    MemoryLife(PathBuf),
    Identity(PathBuf),
    AddressesOf(String),
    Work(Work),
}

/// A computation, until its thread takes it.
pub(crate) struct Work(Box<dyn FnOnce() + Send>);

impl Work {
    pub(crate) fn new(work: impl FnOnce() + Send + 'static) -> Work {
        Work(Box::new(work))
    }

    pub(crate) fn perform(self) {
        (self.0)();
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

pub(crate) enum DiskAnswer {
    Done,
    Each(Vec<io::Result<()>>),
    Opened(FileHandle),
    Number(u64),
    Space(AvailableSpace),
    Entries(Vec<DirEntry>),
    Exists(bool),
    Contents(Vec<u8>),
    Locked(DirLock),
    Region(Arc<Region>, DirLock),
    Text(String),
    Identity(FileIdentity),
    Addresses(Vec<IpAddr>),
}

/// A connection that the kernel handed out.
pub(crate) struct Connected {
    pub(crate) socket: SocketHandle,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

pub(crate) enum Outcome {
    Count(usize),
    Disk(DiskAnswer),
    Connected(Connected),
}

/// What a completion brings.
pub(crate) type Answer = io::Result<Outcome>;
