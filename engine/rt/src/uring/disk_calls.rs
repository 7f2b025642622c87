//! The blocking calls behind `rt::fs`, opening of files and shared memory; run on threads that may block.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where rt itself reaches the file system, off the shards"
)]

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::net::ToSocketAddrs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;

use crate::memory::region::Region;
use crate::submission::operation::{
    Answer, AvailableSpace, DirEntry, DirLock, DiskAnswer, DiskRequest, FileHandle, FileIdentity, HeldLock,
    OpenOptions, Outcome,
};

/// `ramfs`, which nix does not name: memory as well.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

pub(crate) fn perform(request: DiskRequest) -> Answer {
    answer(request).map(Outcome::Disk)
}

fn answer(request: DiskRequest) -> io::Result<DiskAnswer> {
    match request {
        DiskRequest::Open { path, options } => open(&path, options).map(DiskAnswer::Opened),
        DiskRequest::FileLength(file) => file_of(&file)?.metadata().map(|m| DiskAnswer::Number(m.len())),
        DiskRequest::Truncate { file, len } => done(file_of(&file)?.set_len(len)),
        DiskRequest::CreateDirAll(path) => done(fs::create_dir_all(path)),
        DiskRequest::CreateAlone(paths) => {
            Ok(DiskAnswer::Each(paths.iter().map(|path| create_alone(path)).collect()))
        }
        DiskRequest::SyncDir(path) => done(File::open(path).and_then(|dir| dir.sync_all())),
        DiskRequest::ReadDir(path) => read_dir(&path).map(DiskAnswer::Entries),
        DiskRequest::Elsewhere(path) => elsewhere(&path).map(DiskAnswer::Entries),
        DiskRequest::RemoveFile(path) => done(fs::remove_file(path)),
        DiskRequest::RemoveDirAll(path) => done(fs::remove_dir_all(path)),
        DiskRequest::Rename { from, to } => done(fs::rename(from, to)),
        DiskRequest::Exists(path) => fs::exists(path).map(DiskAnswer::Exists),
        DiskRequest::PathLength(path) => fs::metadata(path).map(|m| DiskAnswer::Number(m.len())),
        DiskRequest::ReadAll(path) => fs::read(path).map(DiskAnswer::Contents),
        DiskRequest::Replace { path, contents } => done(replace(&path, &contents)),
        DiskRequest::SyncFs(path) => done(sync_fs(&path)),
        DiskRequest::AvailableSpace(path) => available_space(&path).map(DiskAnswer::Space),
        DiskRequest::Lock(path) => lock(&path).map(DiskAnswer::Locked),
        DiskRequest::RegionCreate { path, len } => {
            create_region(&path, len).map(|(region, lock)| DiskAnswer::Region(region, lock))
        }
        DiskRequest::RegionOpen(path) => {
            open_region(&path).map(|(region, lock)| DiskAnswer::Region(region, lock))
        }
        DiskRequest::RegionRemove(path) => done(remove_region(&path)),
        DiskRequest::RegionUsable(dir) => done(region_usable(&dir)),
        DiskRequest::MemoryLife(dir) => memory_life(&dir).map(DiskAnswer::Text),
        DiskRequest::Identity(path) => fs::metadata(path)
            .map(|found| DiskAnswer::Identity(FileIdentity { device: found.dev(), inode: found.ino() })),
        DiskRequest::AddressesOf(host) => {
            let found = (host.as_str(), 0).to_socket_addrs()?;
            Ok(DiskAnswer::Addresses(found.map(|address| address.ip()).collect()))
        }
        DiskRequest::Work(work) => {
            work.perform();
            Ok(DiskAnswer::Done)
        }
    }
}

fn done(result: io::Result<()>) -> io::Result<DiskAnswer> {
    result.map(|()| DiskAnswer::Done)
}

fn file_of(handle: &FileHandle) -> io::Result<File> {
    match handle {
        FileHandle::Uring(fd) => Ok(File::from(fd.try_clone()?)),
        FileHandle::World(_) => panic!("a simulated file reached the real kernel"),
    }
}

fn open(path: &Path, options: OpenOptions) -> io::Result<FileHandle> {
    let mut open = fs::OpenOptions::new();
    open.read(true).write(options.write).mode(0o644);
    open.create(options.create && options.write).create_new(options.create_new && options.write);
    if options.direct {
        open.custom_flags(libc::O_DIRECT);
    }
    match open.open(path) {
        Ok(file) => Ok(FileHandle::Uring(OwnedFd::from(file))),
        Err(error) if options.direct && error.raw_os_error() == Some(libc::EINVAL) => {
            let why = format!("{}: the file system offers no direct I/O", path.display());
            Err(io::Error::new(io::ErrorKind::Unsupported, why))
        }
        Err(error) => Err(error),
    }
}

fn create_alone(path: &Path) -> io::Result<()> {
    let dir = parent_of(path);
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            for entry in fs::read_dir(dir)? {
                if path.file_name() != Some(&entry?.file_name()) {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
            }
        }
        made => made?,
    }
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path)?;
    if file.metadata()?.len() > 0 { Err(io::ErrorKind::DirectoryNotEmpty.into()) } else { Ok(()) }
}

fn read_dir(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push(DirEntry { name, is_dir: entry.file_type()?.is_dir() });
    }
    entries.sort();
    Ok(entries)
}

/// What a directory leads to on other file systems, be it by a mount or by a link.
fn elsewhere(dir: &Path) -> io::Result<Vec<DirEntry>> {
    let device = fs::metadata(dir)?.dev();
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match fs::metadata(entry.path()) {
            Ok(led) if led.dev() != device => {
                let name = entry.file_name().to_string_lossy().into_owned();
                found.push(DirEntry { name, is_dir: led.is_dir() });
            }
            // Gone, or a link to nowhere.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// The name of the file that is written before it replaces `path`.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path);
    let mut file = File::create(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    File::open(parent_of(path))?.sync_all()
}

fn sync_fs(path: &Path) -> io::Result<()> {
    let place = File::open(path)?;
    nix::unistd::syncfs(&place)?;
    Ok(())
}

fn available_space(path: &Path) -> io::Result<AvailableSpace> {
    let stat = statvfs(path)?;
    // btrfs and others make inodes as they need them, and say that they have none.
    let inodes = if stat.files() == 0 { u64::MAX } else { stat.files_available() };
    let unit = stat.fragment_size();
    Ok(AvailableSpace { bytes: stat.blocks_available() * unit, total_bytes: stat.blocks() * unit, inodes })
}

fn lock(path: &Path) -> io::Result<DirLock> {
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    held(file)
}

/// Locks an open file for this process.
fn held(file: File) -> io::Result<DirLock> {
    match file.try_lock() {
        Ok(()) => Ok(DirLock::new(HeldLock::Uring { _file: OwnedFd::from(file) })),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn create_region(path: &Path, len: usize) -> io::Result<(Arc<Region>, DirLock)> {
    match remove_region(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    // A tmpfs without room says so here; where only the mapping finds out,
    // the error is that of a bad address.
    let made = lock_region(path).and_then(|lock| {
        room_for(&file, len)?;
        Ok((Region::map(&file, len)?, lock))
    });
    if made.is_err() {
        fs::remove_file(path)?;
    }
    made
}

fn room_for(file: &File, len: usize) -> io::Result<()> {
    let length = i64::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    fallocate(file, FallocateFlags::empty(), 0, length)?;
    Ok(())
}

fn open_region(path: &Path) -> io::Result<(Arc<Region>, DirLock)> {
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let metadata = file.metadata()?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let why = format!("{}: others may read or write it", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let len = usize::try_from(metadata.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let lock = lock_region(path)?;
    Ok((Region::map(&file, len)?, lock))
}

/// The lock is of a description of its own: that of the mapped file lives as long as anybody's view of it.
fn lock_region(path: &Path) -> io::Result<DirLock> {
    held(File::open(path)?)
}

/// Removes the file of a region that no process uses.
fn remove_region(path: &Path) -> io::Result<()> {
    let lock = lock_region(path)?;
    let removed = fs::remove_file(path);
    drop(lock);
    removed
}

/// Which boot of the machine, and which directory, also where another was given its name since.
pub(crate) fn memory_life(dir: &Path) -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let metadata = fs::metadata(dir)?;
    let born = metadata.created()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(format!("{}/{}/{}/{}", boot.trim(), metadata.dev(), metadata.ino(), born.as_nanos()))
}

fn region_usable(dir: &Path) -> io::Result<()> {
    let kind = statfs(dir)?.filesystem_type();
    if kind != TMPFS_MAGIC && kind != RAMFS_MAGIC {
        let why = format!("{} is not on tmpfs: it would not outlive the process in memory", dir.display());
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let probe = dir.join(format!(".millrace-probe-{}", std::process::id()));
    let region = create_region(&probe, crate::memory::block::BLOCK_ALIGNMENT);
    let removed = fs::remove_file(&probe);
    region?;
    removed
}
