//! What the kernel says of a broker's process, read from /proc.

use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Pid;

use crate::disk;
use crate::error::ClientError;
use crate::seat::seats_of;

/// How the kernel names a thread of a ring's operations that may block, and the broker one of its own.
const KERNEL_WORKER: &str = "iou-wrk-";
const BLOCKING_WORKER: &str = "blocking";

/// A running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
}

/// Resident memory by kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResidentMemory {
    pub(crate) all: u64,
    /// Pages of its own.
    pub(crate) anonymous: u64,
    /// Pages of files, above all of its program.
    pub(crate) files: u64,
    /// Pages of shared memory: the journal ring.
    pub(crate) shared: u64,
}

/// An open file of the process.
#[derive(Debug, Clone)]
pub(crate) struct Descriptor {
    pub(crate) path: PathBuf,
    pub(crate) flags: i32,
}

impl Descriptor {
    pub(crate) fn is_direct(&self) -> bool {
        self.flags & libc::O_DIRECT != 0
    }
}

impl Process {
    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.id))
    }

    pub(crate) fn is_alive(self) -> bool {
        // A zombie still has a directory; it runs no more.
        disk::read_text(&self.file("stat")).is_ok_and(|stat| fields_behind_name(&stat).next() != Some("Z"))
    }

    /// User and system time so far, with those of children that ended.
    pub(crate) fn cpu_time(self) -> Result<Duration, ClientError> {
        let stat = disk::read_text(&self.file("stat"))?;
        let ticks = fields_behind_name(&stat).skip(11).take(4);
        let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks_to_time(ticks))
    }

    /// Time that its threads were on a processor, to the nanosecond: for intervals in which it hardly runs.
    pub(crate) fn run_time(self) -> Duration {
        let of_thread = |thread: &PathBuf| {
            let text = disk::read_text(&thread.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        };
        let threads = disk::list(&self.file("task"));
        Duration::from_nanos(threads.iter().filter_map(of_thread).sum())
    }

    /// Processors that one of its threads each is bound to, in the order of the threads. Workers do not
    /// count: on a machine of two processors those that leave a shard its own are bound to the other one.
    pub(crate) fn bound_threads(self) -> Vec<usize> {
        let bound = |thread: &PathBuf| {
            let name = disk::read_text(&thread.join("comm")).ok()?;
            if is_worker(name.trim_end()) {
                return None;
            }
            let id = thread.file_name()?.to_string_lossy().parse().ok()?;
            let [cpu] = seats_of(Pid::from_raw(id))[..] else { return None };
            Some(cpu)
        };
        disk::list(&self.file("task")).iter().filter_map(bound).collect()
    }

    pub(crate) fn memory(self) -> Result<ResidentMemory, ClientError> {
        let status = disk::read_text(&self.file("status"))?;
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap_or_default() * 1024
        };
        Ok(ResidentMemory {
            all: kib("VmRSS:"),
            anonymous: kib("RssAnon:"),
            files: kib("RssFile:"),
            shared: kib("RssShmem:"),
        })
    }

    /// Highest resident memory so far.
    pub(crate) fn memory_peak(self) -> Result<u64, ClientError> {
        let status = disk::read_text(&self.file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        Ok(line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap_or_default() * 1024)
    }

    /// Bytes it had read from devices.
    pub(crate) fn read_bytes(self) -> Result<u64, ClientError> {
        self.io_bytes("read_bytes:")
    }

    /// Bytes it had written to devices.
    pub(crate) fn written_bytes(self) -> Result<u64, ClientError> {
        self.io_bytes("write_bytes:")
    }

    fn io_bytes(self, key: &str) -> Result<u64, ClientError> {
        let io = disk::read_text(&self.file("io"))?;
        let bytes = io.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
        bytes.ok_or_else(|| ClientError::Usage(format!("/proc/PID/io has no {key}")))
    }

    /// Its open files, with the flags they were opened with.
    pub(crate) fn descriptors(self) -> Vec<Descriptor> {
        let descriptor = |link: &PathBuf| {
            let path = disk::link_target(link)?;
            let number = link.file_name()?.to_string_lossy().into_owned();
            let text = disk::read_text(&self.file("fdinfo").join(number)).ok()?;
            let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
            Some(Descriptor { path, flags: i32::from_str_radix(flags.trim(), 8).ok()? })
        };
        disk::list(&self.file("fd")).iter().filter_map(descriptor).collect()
    }
}

/// Fields of a stat line from the state on: the name before them may hold blanks.
fn fields_behind_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit(')').next().unwrap_or_default().split_whitespace()
}

fn ticks_to_time(ticks: u64) -> Duration {
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    Duration::from_secs_f64(ticks as f64 / per_second as f64)
}

/// Whether a thread of this name does what others leave to it.
fn is_worker(name: &str) -> bool {
    name.starts_with(KERNEL_WORKER) || name == BLOCKING_WORKER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_told_by_their_names() {
        let cases = [("iou-wrk-9689", true), ("blocking", true), ("millrace-0", false), ("reactor-1", false)];
        for (name, is) in cases {
            assert_eq!(is_worker(name), is, "{name}");
        }
    }
}
