//! The floor of a durable commit: one block written past the page cache, on the device when the call returns.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::memory::{AlignedMemory, BLOCK_BYTES};
use crate::clock;
use crate::disk::{self, OpenFile};
use crate::error::ClientError;

/// Enough that the device does not see the same block again at once.
const FILE_BYTES: usize = 16 * 1024 * 1024;
const FILL_BYTES: usize = 1024 * 1024;

/// Writes of one size with `O_DIRECT` and `O_DSYNC` (the same as `RWF_DSYNC` on each), one after another over
/// extents that were written before, so that no metadata changes.
pub(crate) struct DsyncProbe {
    path: PathBuf,
    file: OpenFile,
    memory: AlignedMemory,
    bytes: usize,
    next: usize,
}

impl DsyncProbe {
    /// A probe on the file system of `dir` that writes a block at a time, the least that a commit takes.
    pub(crate) fn new(dir: &Path) -> Result<DsyncProbe, ClientError> {
        DsyncProbe::of_size(dir, BLOCK_BYTES)
    }

    /// A probe that writes `bytes` at a time: a divisor of 1 MiB and a multiple of the block.
    pub(crate) fn of_size(dir: &Path, bytes: usize) -> Result<DsyncProbe, ClientError> {
        assert!(
            bytes.is_multiple_of(BLOCK_BYTES) && FILL_BYTES.is_multiple_of(bytes),
            "writes fill the file"
        );
        let path = dir.join(format!("dsync-probe-{bytes}"));
        let memory = AlignedMemory::new(FILL_BYTES);
        let fill = disk::open_direct(&path, 0)?;
        for at in (0..FILE_BYTES).step_by(FILL_BYTES) {
            let written = fill.write_all_at(memory.bytes(FILL_BYTES), at as u64);
            written.map_err(ClientError::io("filling the probe's file"))?;
        }
        fill.sync_all().map_err(ClientError::io("syncing the probe's file"))?;
        let file = disk::open_direct(&path, libc::O_DSYNC)?;
        Ok(DsyncProbe { path, file, memory, bytes, next: 0 })
    }

    pub(crate) fn once(&mut self) -> Result<Duration, ClientError> {
        let at = self.next;
        self.next = (at + self.bytes) % FILE_BYTES;
        let begun = clock::now();
        let written = self.file.write_at(self.memory.bytes(self.bytes), at as u64);
        let taken = clock::now() - begun;
        match written.map_err(ClientError::io("writing with O_DSYNC"))? {
            bytes if bytes == self.bytes => Ok(taken),
            bytes => Err(ClientError::Usage(format!("the probe wrote {bytes} bytes of {}", self.bytes))),
        }
    }
}

impl Drop for DsyncProbe {
    fn drop(&mut self) {
        disk::remove_file(&self.path);
    }
}
