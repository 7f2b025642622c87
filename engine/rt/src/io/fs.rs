//! Paths and directories: slow work, off the shard's loop.
//! Dropping one of these futures does not stop the work.

use std::io;
use std::path::{Path, PathBuf};

use crate::shard;
pub use crate::submission::operation::{AvailableSpace, DirEntry, DirLock, FileIdentity};
use crate::submission::operation::{DiskAnswer, DiskRequest, Operation, Outcome};

/// Creates the directory and those above it. Their entries are not synced.
pub async fn create_dir_all(path: &Path) -> io::Result<()> {
    request(DiskRequest::CreateDirAll(path.to_owned())).await.map(drop)
}

/// Makes each file, empty and alone in its directory, which is made as well; answers what became of each.
/// What is there already stays if it is just that, else the error is `DirectoryNotEmpty`. Nothing is synced.
pub async fn create_alone(paths: Vec<PathBuf>) -> io::Result<Vec<io::Result<()>>> {
    match request(DiskRequest::CreateAlone(paths)).await? {
        DiskAnswer::Each(results) => Ok(results),
        _ => Err(unexpected()),
    }
}

/// Hardens the entries of a directory: creations, renames and removals in it.
pub async fn sync_dir(path: &Path) -> io::Result<()> {
    request(DiskRequest::SyncDir(path.to_owned())).await.map(drop)
}

/// The entries of a directory, sorted by name.
pub async fn read_dir(path: &Path) -> io::Result<Vec<DirEntry>> {
    match request(DiskRequest::ReadDir(path.to_owned())).await? {
        DiskAnswer::Entries(entries) => Ok(entries),
        _ => Err(unexpected()),
    }
}

/// Those entries of a directory that lead to another file system than it is on itself,
/// by a mount or by a link.
pub async fn elsewhere(path: &Path) -> io::Result<Vec<DirEntry>> {
    match request(DiskRequest::Elsewhere(path.to_owned())).await? {
        DiskAnswer::Entries(entries) => Ok(entries),
        _ => Err(unexpected()),
    }
}

pub async fn remove_file(path: &Path) -> io::Result<()> {
    request(DiskRequest::RemoveFile(path.to_owned())).await.map(drop)
}

pub async fn remove_dir_all(path: &Path) -> io::Result<()> {
    request(DiskRequest::RemoveDirAll(path.to_owned())).await.map(drop)
}

/// Replaces `to` if it exists, at once for every reader; durable after `sync_dir`.
pub async fn rename(from: &Path, to: &Path) -> io::Result<()> {
    request(DiskRequest::Rename { from: from.to_owned(), to: to.to_owned() }).await.map(drop)
}

/// Whether there is a file or directory of this name. An error says that nobody knows, as with a disk that
/// fails or a directory that may not be searched: that is no reason to take anything for gone.
pub async fn exists(path: &Path) -> io::Result<bool> {
    match request(DiskRequest::Exists(path.to_owned())).await? {
        DiskAnswer::Exists(exists) => Ok(exists),
        _ => Err(unexpected()),
    }
}

/// Which file or directory this is, whatever its name.
pub async fn identity(path: &Path) -> io::Result<FileIdentity> {
    match request(DiskRequest::Identity(path.to_owned())).await? {
        DiskAnswer::Identity(identity) => Ok(identity),
        _ => Err(unexpected()),
    }
}

/// Length of a file in bytes.
pub async fn len(path: &Path) -> io::Result<u64> {
    number(DiskRequest::PathLength(path.to_owned())).await
}

/// All bytes of a (small) file.
pub async fn read(path: &Path) -> io::Result<Vec<u8>> {
    match request(DiskRequest::ReadAll(path.to_owned())).await? {
        DiskAnswer::Contents(contents) => Ok(contents),
        _ => Err(unexpected()),
    }
}

/// Puts `contents` in the file's place, durably: afterwards, and after a crash at any moment, the file holds
/// all of the old or all of the new. Uses `<path>.new` on the way.
pub async fn replace(path: &Path, contents: Vec<u8>) -> io::Result<()> {
    request(DiskRequest::Replace { path: path.to_owned(), contents }).await.map(drop)
}

/// Hardens everything on the file system that holds `path`.
pub async fn sync_fs(path: &Path) -> io::Result<()> {
    request(DiskRequest::SyncFs(path.to_owned())).await.map(drop)
}

/// What an ordinary user may still put on the file system that holds `path`.
pub async fn available_space(path: &Path) -> io::Result<AvailableSpace> {
    match request(DiskRequest::AvailableSpace(path.to_owned())).await? {
        DiskAnswer::Space(space) => Ok(space),
        _ => Err(unexpected()),
    }
}

/// Locks a file (created if missing) for this process; `WouldBlock` if it is held.
pub async fn lock(path: &Path) -> io::Result<DirLock> {
    match request(DiskRequest::Lock(path.to_owned())).await? {
        DiskAnswer::Locked(lock) => Ok(lock),
        _ => Err(unexpected()),
    }
}

async fn number(ask: DiskRequest) -> io::Result<u64> {
    match request(ask).await? {
        DiskAnswer::Number(number) => Ok(number),
        _ => Err(unexpected()),
    }
}

pub(crate) async fn request(ask: DiskRequest) -> io::Result<DiskAnswer> {
    let (_, answer) = shard::current().start(Operation::Disk(Some(ask))).await;
    match answer? {
        Outcome::Disk(answer) => Ok(answer),
        Outcome::Count(_) | Outcome::Connected(_) => Err(unexpected()),
    }
}

/// A kernel that answers another question than was asked is broken; callers treat it as any I/O error.
pub(crate) fn unexpected() -> io::Error {
    io::Error::other("the kernel gave an answer of the wrong kind")
}
