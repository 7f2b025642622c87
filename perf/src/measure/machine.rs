//! The machine under the figures: processors, load, the device below a directory.

use std::path::{Path, PathBuf};
use std::thread;

use procfs::{Current, LoadAverage};

use crate::disk;
use crate::error::ClientError;

/// Field 16 of a block device's statistics, counted from 1: flush requests completed.
const FLUSHES_FIELD: usize = 15;

/// Counts the flushes that the device below a directory was asked for, by whoever.
#[derive(Debug, Clone)]
pub(crate) struct FlushCounter {
    stat: PathBuf,
}

impl FlushCounter {
    /// `None` where the file system has no block device of its own or the kernel does not count.
    pub(crate) fn of(dir: &Path) -> Result<Option<FlushCounter>, ClientError> {
        let device = disk::device_of(dir)?;
        let (major, minor) = (libc::major(device), libc::minor(device));
        let mut device = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
        if disk::read_text(&device.join("partition")).is_ok() {
            // Flushes are those of the whole device.
            device = device.join("..");
        }
        let counter = FlushCounter { stat: device.join("stat") };
        Ok(counter.read().map(|_| counter))
    }

    pub(crate) fn read(&self) -> Option<u64> {
        let text = disk::read_text(&self.stat).ok()?;
        text.split_whitespace().nth(FLUSHES_FIELD)?.parse().ok()
    }
}

/// One line for the head of a report.
pub(crate) fn describe_machine(dir: &Path) -> String {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let kernel = disk::read_text(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let load = LoadAverage::current().map_or_else(
        |_| String::new(),
        |LoadAverage { one, five, fifteen, .. }| format!("{one:.2} {five:.2} {fifteen:.2}"),
    );
    format!("{processors} processors, kernel {}, load {load}, data below {}", kernel.trim(), dir.display())
}
