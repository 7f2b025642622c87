//! Files of a data directory that no broker uses, read with the standard library:
//! there is no shard to be held up.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "offline: no runtime is started, and no clock or seed decides anything"
)]

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use crate::directory::layout::Layout;

/// One read of a file that is streamed.
const READ_BYTES: usize = 1024 * 1024;

/// Where a node keeps its files.
#[derive(Debug, Clone)]
pub struct StorageDirs {
    /// `log.dirs`.
    pub data: PathBuf,
    /// `millrace.journal.dir`, where it is set.
    pub journal: Option<PathBuf>,
    /// `millrace.shm.dir`.
    pub shm: PathBuf,
}

/// Why nothing can be said of a data directory or file.
#[derive(Debug, Error)]
pub enum ToolError {
    #[error("{0} is used by a running broker; stop it first, its files change under the reader")]
    InUse(PathBuf),
    #[error("cannot read {0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("{0} is no data directory of Millrace: it has neither a manifest (`node`) nor metadata")]
    NoDataDirectory(PathBuf),
    #[error(
        "{0} is no file of a data directory: its name says neither segment, index, slot, checkpoint, \
             metadata log, manifest nor ring"
    )]
    UnknownFile(PathBuf),
}

/// Held while files are read: no broker starts meanwhile.
pub(super) struct Held(#[expect(dead_code, reason = "the lock goes with the file")] Option<File>);

impl StorageDirs {
    pub(super) fn layout(&self) -> Layout {
        Layout::new(&self.data, self.journal.as_deref(), &self.shm)
    }
}

pub(super) fn lock(data: &Path) -> Result<Held, ToolError> {
    let path = data.join(".lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held(None)),
        Err(error) => return Err(ToolError::Io(path, error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Held(Some(file))),
        Err(TryLockError::WouldBlock) => Err(ToolError::InUse(data.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(ToolError::Io(path, error)),
    }
}

/// Locks the data directory that a file belongs to, if it lies in one.
pub(super) fn lock_above(file: &Path) -> Result<Held, ToolError> {
    let whole = fs::canonicalize(file).map_err(|error| ToolError::Io(file.to_path_buf(), error))?;
    let data = whole.ancestors().skip(1).find(|dir| dir.join(".lock").is_file());
    data.map_or(Ok(Held(None)), lock)
}

/// All bytes of a file whose size the configuration bounds; none if it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<Bytes>, ToolError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Bytes::from(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ToolError::Io(path.to_path_buf(), error)),
    }
}

pub(super) fn length(path: &Path) -> Result<Option<u64>, ToolError> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ToolError::Io(path.to_path_buf(), error)),
    }
}

pub(super) fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// Bytes `[from, to)` of a file, a piece at a time; ends early where the file does.
/// Returns how many there were.
pub(super) fn stream(path: &Path, from: u64, to: u64, mut each: impl FnMut(&[u8])) -> Result<u64, ToolError> {
    let failed = |error| ToolError::Io(path.to_path_buf(), error);
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut piece = vec![0; READ_BYTES];
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(READ_BYTES).min(READ_BYTES);
        let read = file.read(piece.get_mut(..wanted).unwrap_or_default()).map_err(failed)?;
        if read == 0 {
            break;
        }
        each(piece.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok(at - from)
}

/// Names in a directory, sorted; directories end with a slash. None where it does not exist.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, ToolError> {
    let failed = |error| ToolError::Io(dir.to_path_buf(), error);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let slash = if entry.path().is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names)
}
