//! Files and directories of the tool and of the brokers it starts.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a black box beside the broker; nothing here runs on a shard"
)]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::error::ClientError;

pub(crate) type OpenFile = File;

pub(crate) fn create_dir(path: &Path) -> Result<(), ClientError> {
    fs::create_dir_all(path).map_err(ClientError::io(format!("creating {}", path.display())))
}

/// Removes a directory of a run; one that is gone already is fine.
pub(crate) fn remove_dir(path: &Path) -> Result<(), ClientError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ClientError::Io { what: format!("removing {}", path.display()), error })
        }
        _ => Ok(()),
    }
}

/// A file of a run that is of no further use; a leftover does no harm.
pub(crate) fn remove_file(path: &Path) {
    let _left_behind = fs::remove_file(path);
}

pub(crate) fn read_text(path: &Path) -> Result<String, ClientError> {
    fs::read_to_string(path).map_err(ClientError::io(format!("reading {}", path.display())))
}

pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), ClientError> {
    fs::write(path, text).map_err(ClientError::io(format!("writing {}", path.display())))
}

/// A log that a child process writes to.
pub(crate) fn append_to(path: &Path) -> Result<OpenFile, ClientError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(ClientError::io(format!("opening {}", path.display())))
}

/// A file for writing past the page cache; with `O_DSYNC` each write is on the device when it returns,
/// as with `RWF_DSYNC`.
pub(crate) fn open_direct(path: &Path, flags: i32) -> Result<OpenFile, ClientError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).custom_flags(libc::O_DIRECT | flags);
    options.open(path).map_err(ClientError::io(format!("opening {} with O_DIRECT", path.display())))
}

/// A file for reading past the page cache.
pub(crate) fn open_direct_to_read(path: &Path) -> Result<OpenFile, ClientError> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path);
    opened.map_err(ClientError::io(format!("opening {} with O_DIRECT", path.display())))
}

/// Bytes that files may still take on the file system of a directory.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, ClientError> {
    let found = nix::sys::statvfs::statvfs(path);
    let found =
        found.map_err(|error| ClientError::io(format!("looking at {}", path.display()))(error.into()))?;
    Ok(found.blocks_available() * found.fragment_size())
}

/// Names in a directory; none if it is gone, as directories below /proc and of a running broker may be.
pub(crate) fn list(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

pub(crate) fn link_target(path: &Path) -> Option<PathBuf> {
    fs::read_link(path).ok()
}

/// Has the kernel forget what it keeps in memory of the files below `path`,
/// so that a restart reads from the device.
pub(crate) fn evict(path: &Path) -> Result<(), ClientError> {
    nix::unistd::sync();
    evict_below(path)
}

fn evict_below(path: &Path) -> Result<(), ClientError> {
    for entry in list(path) {
        if entry.is_dir() {
            evict_below(&entry)?;
        } else if let Ok(file) = File::open(&entry) {
            let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
            posix_fadvise(&file, 0, 0, advice)
                .map_err(|error| ClientError::io(format!("evicting {}", entry.display()))(error.into()))?;
        }
    }
    Ok(())
}

/// Number of the device that holds the file, as the kernel counts devices.
pub(crate) fn device_of(path: &Path) -> Result<u64, ClientError> {
    let metadata = fs::metadata(path).map_err(ClientError::io(format!("looking at {}", path.display())));
    Ok(metadata?.dev())
}

/// Bytes that the files below `path` whose names begin with `prefix` take on the device.
pub(crate) fn allocated_bytes(path: &Path, prefix: &str) -> u64 {
    let mut bytes = 0;
    for entry in list(path) {
        let Ok(metadata) = fs::symlink_metadata(&entry) else { continue };
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if metadata.is_dir() {
            bytes += allocated_bytes(&entry, prefix);
        } else if name.starts_with(prefix) {
            // The kernel counts blocks of 512 bytes, whatever the file system's own size is.
            bytes += metadata.blocks() * 512;
        }
    }
    bytes
}
