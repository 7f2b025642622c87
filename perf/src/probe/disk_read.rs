//! The ceiling of cold reads: large reads past the page cache, at the depth that the device likes best.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::memory::AlignedMemory;
use crate::clock;
use crate::disk::{self, OpenFile};
use crate::error::ClientError;

const PIECE_BYTES: usize = 1024 * 1024;
/// Enough that no cache of the device holds it.
const FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// Reads in flight that are tried.
const DEPTHS: [usize; 4] = [1, 2, 4, 8];

/// A file that was written once, to be read in turns with what it is compared with.
pub(crate) struct DiskReadProbe {
    path: PathBuf,
    file: OpenFile,
    /// Where the next reads begin, so that turns do not read the same.
    next: AtomicU64,
}

/// What the device gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadRate {
    pub(crate) bytes_per_second: f64,
    pub(crate) depth: usize,
}

impl DiskReadProbe {
    pub(crate) fn new(dir: &Path) -> Result<DiskReadProbe, ClientError> {
        let path = dir.join("disk-read-probe");
        let fill = disk::open_direct(&path, 0)?;
        let memory = AlignedMemory::new(PIECE_BYTES);
        for at in (0..FILE_BYTES).step_by(PIECE_BYTES) {
            let written = fill.write_all_at(memory.bytes(PIECE_BYTES), at);
            written.map_err(ClientError::io("filling the probe's file"))?;
        }
        fill.sync_all().map_err(ClientError::io("syncing the probe's file"))?;
        let file = disk::open_direct_to_read(&path)?;
        Ok(DiskReadProbe { path, file, next: AtomicU64::new(0) })
    }

    /// The best rate of all depths, each tried for a share of the time.
    pub(crate) fn best(&self, length: Duration) -> Result<ReadRate, ClientError> {
        let each = length / u32::try_from(DEPTHS.len()).unwrap_or(1);
        let rate = |depth: usize| {
            self.at_depth(depth, each).map(|bytes_per_second| ReadRate { bytes_per_second, depth })
        };
        let rates = DEPTHS.into_iter().map(rate).collect::<Result<Vec<_>, _>>()?;
        let best =
            rates.into_iter().max_by(|one, other| one.bytes_per_second.total_cmp(&other.bytes_per_second));
        best.ok_or_else(|| ClientError::Usage("no depth was tried".to_owned()))
    }

    fn at_depth(&self, depth: usize, length: Duration) -> Result<f64, ClientError> {
        let begun = clock::now();
        let read = |()| -> Result<u64, ClientError> {
            let mut memory = AlignedMemory::new(PIECE_BYTES);
            let mut bytes = 0;
            while clock::now() - begun < length {
                let at = self.next.fetch_add(PIECE_BYTES as u64, Ordering::Relaxed) % FILE_BYTES;
                let read = self.file.read_exact_at(memory.bytes_mut(PIECE_BYTES), at);
                read.map_err(ClientError::io("reading with O_DIRECT"))?;
                bytes += PIECE_BYTES as u64;
            }
            Ok(bytes)
        };
        let parts = thread::scope(|scope| {
            let threads: Vec<_> = (0..depth).map(|_| scope.spawn(move || read(()))).collect();
            threads.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        let mut bytes = 0;
        for part in parts {
            bytes += part.map_err(|_| ClientError::Usage("a probing thread panicked".to_owned()))??;
        }
        Ok(bytes as f64 / (clock::now() - begun).as_secs_f64())
    }
}

impl Drop for DiskReadProbe {
    fn drop(&mut self) {
        disk::remove_file(&self.path);
    }
}
