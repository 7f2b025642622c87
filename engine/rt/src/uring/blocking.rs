//! Threads that may block: work on paths, which the kernel offers no good asynchronous form of.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::submission::operation::DiskRequest;
use crate::submission::remote::Remote;
use crate::submission::slots::SlotId;
use crate::uring::disk_calls;

/// A `syncfs` may take long; others must not wait behind it.
const THREADS_MAX: usize = 4;
/// An idle broker keeps no such thread.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// Threads for calls on the file system, and others for what may take long without it: computations, names of
/// hosts. Neither waits behind the other.
#[derive(Clone)]
pub(crate) struct BlockingPools {
    files: Arc<BlockingPool>,
    work: Arc<BlockingPool>,
}

impl BlockingPools {
    pub(crate) fn new(cpus: CpuSet) -> BlockingPools {
        BlockingPools { files: BlockingPool::new(cpus), work: BlockingPool::new(cpus) }
    }

    pub(crate) fn cpus(&self) -> &CpuSet {
        &self.files.cpus
    }

    pub(crate) fn run(&self, job: Job) {
        match job.request {
            DiskRequest::Work(_) | DiskRequest::AddressesOf(_) => self.work.run(job),
            _ => self.files.run(job),
        }
    }
}

/// One request, and where its answer goes.
pub(crate) struct Job {
    pub(crate) request: DiskRequest,
    pub(crate) slot: SlotId,
    pub(crate) remote: Arc<Remote>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

/// Shared by all shards of a process; threads start when there is work.
struct BlockingPool {
    state: Mutex<State>,
    work: Condvar,
    /// Where they run: a thread would inherit the pinning of the shard that starts it.
    cpus: CpuSet,
}

impl BlockingPool {
    fn new(cpus: CpuSet) -> Arc<BlockingPool> {
        Arc::new(BlockingPool { state: Mutex::default(), work: Condvar::new(), cpus })
    }

    fn run(self: &Arc<Self>, job: Job) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= THREADS_MAX {
            drop(state);
            self.work.notify_one();
            return;
        }
        state.threads += 1;
        drop(state);
        let pool = Arc::clone(self);
        let started = std::thread::Builder::new().name("blocking".to_owned()).spawn(move || pool.serve());
        if let Err(error) = started {
            panic!("no thread for blocking work could be started: {error}");
        }
    }

    fn serve(&self) {
        // Where the call is forbidden the thread shares the shard's processor: slower, not wrong.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.cpus);
        while let Some(job) = self.next_job() {
            let answer = disk_calls::perform(job.request);
            job.remote.complete(job.slot, answer);
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            let (woken, wait) =
                self.work.wait_timeout(state, IDLE_LIMIT).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if wait.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
