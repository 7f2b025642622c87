//! The ceiling of the device: large writes past the page cache, one after another.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::memory::AlignedMemory;
use crate::clock;
use crate::disk;
use crate::error::ClientError;

const PIECE_BYTES: usize = 1024 * 1024;
/// The file is written again from its start, so that a long run does not fill the disk.
const FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes per second of direct writes of 1 MiB, for that long.
pub(crate) fn disk_write_rate(dir: &Path, length: Duration) -> Result<f64, ClientError> {
    let path = dir.join("disk-write-probe");
    let file = disk::open_direct(&path, 0)?;
    let memory = AlignedMemory::new(PIECE_BYTES);
    let begun = clock::now();
    let mut bytes = 0_u64;
    while clock::now() - begun < length {
        let written = file.write_all_at(memory.bytes(PIECE_BYTES), bytes % FILE_BYTES);
        written.map_err(ClientError::io("writing with O_DIRECT"))?;
        bytes += PIECE_BYTES as u64;
    }
    let rate = bytes as f64 / (clock::now() - begun).as_secs_f64();
    disk::remove_file(&path);
    Ok(rate)
}
