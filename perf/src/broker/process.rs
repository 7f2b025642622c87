//! What the kernel says of a broker's process, read from /proc.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Pid;
use procfs::ProcResult;
use procfs::process::{Io, Status, Task};

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

    fn read<T>(
        self,
        read: impl FnOnce(&procfs::process::Process) -> ProcResult<T>,
    ) -> Result<T, ClientError> {
        let id = i32::try_from(self.id).unwrap_or(i32::MAX);
        let answer = procfs::process::Process::new(id).and_then(|process| read(&process));
        let what = format!("reading what the kernel says of process {id}");
        answer.map_err(|error| ClientError::io(what)(io::Error::other(error)))
    }

    pub(crate) fn is_alive(self) -> bool {
        // A zombie still has a directory; it runs no more.
        self.read(|process| process.stat()).is_ok_and(|stat| stat.state != 'Z')
    }

    /// User and system time so far, with those of children that ended.
    pub(crate) fn cpu_time(self) -> Result<Duration, ClientError> {
        let stat = self.read(|process| process.stat())?;
        let of_children = stat.cutime.unsigned_abs() + stat.cstime.unsigned_abs();
        let ticks = stat.utime + stat.stime + of_children;
        Ok(Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64))
    }

    /// Time that its threads were on a processor, to the nanosecond: for intervals in which it hardly runs.
    pub(crate) fn run_time(self) -> Duration {
        let of_thread = |thread: &Task| thread.schedstat().ok().map(|stat| stat.sum_exec_runtime);
        Duration::from_nanos(self.threads().iter().filter_map(of_thread).sum())
    }

    /// Processors that one of its threads each is bound to, in the order of the threads. Workers do not
    /// count: on a machine of two processors those that leave a shard its own are bound to the other one.
    pub(crate) fn bound_threads(self) -> Vec<usize> {
        let bound = |thread: &Task| {
            if is_worker(&thread.stat().ok()?.comm) {
                return None;
            }
            let [cpu] = seats_of(Pid::from_raw(thread.tid))[..] else { return None };
            Some(cpu)
        };
        self.threads().iter().filter_map(bound).collect()
    }

    /// None where it has ended.
    fn threads(self) -> Vec<Task> {
        self.read(|process| process.tasks())
            .map_or_else(|_| Vec::new(), |threads| threads.flatten().collect())
    }

    pub(crate) fn memory(self) -> Result<ResidentMemory, ClientError> {
        let status = self.status()?;
        Ok(ResidentMemory {
            all: bytes_of(status.vmrss),
            anonymous: bytes_of(status.rssanon),
            files: bytes_of(status.rssfile),
            shared: bytes_of(status.rssshmem),
        })
    }

    /// Highest resident memory so far.
    pub(crate) fn memory_peak(self) -> Result<u64, ClientError> {
        Ok(bytes_of(self.status()?.vmhwm))
    }

    fn status(self) -> Result<Status, ClientError> {
        self.read(|process| process.status())
    }

    /// Bytes it had read from devices.
    pub(crate) fn read_bytes(self) -> Result<u64, ClientError> {
        Ok(self.io()?.read_bytes)
    }

    /// Bytes it had written to devices.
    pub(crate) fn written_bytes(self) -> Result<u64, ClientError> {
        Ok(self.io()?.write_bytes)
    }

    fn io(self) -> Result<Io, ClientError> {
        self.read(|process| process.io())
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

/// The kernel counts memory in KiB; a process that has ended has none.
fn bytes_of(kib: Option<u64>) -> u64 {
    kib.unwrap_or_default() * 1024
}

/// Whether a thread of this name does what others leave to it.
fn is_worker(name: &str) -> bool {
    name.starts_with(KERNEL_WORKER) || name == BLOCKING_WORKER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process_and_of_none_that_is_not_there() {
        let process = Process { id: std::process::id() };
        assert!(process.is_alive());
        let memory = process.memory().unwrap();
        assert!(memory.anonymous > 0 && memory.anonymous < memory.all, "{memory:?}");
        assert!(process.memory_peak().unwrap() > 0);
        assert!(process.cpu_time().is_ok() && process.written_bytes().is_ok());
        assert!(!process.threads().is_empty());
        let nobody = Process { id: u32::MAX };
        assert!(!nobody.is_alive() && nobody.memory().is_err());
    }

    #[test]
    fn workers_are_told_by_their_names() {
        let cases = [("iou-wrk-9689", true), ("blocking", true), ("millrace-0", false), ("reactor-1", false)];
        for (name, is) in cases {
            assert_eq!(is_worker(name), is, "{name}");
        }
    }
}
