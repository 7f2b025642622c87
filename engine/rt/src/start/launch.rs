//! One pinned thread, executor and ring per shard.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glommio::{LocalExecutorBuilder, Placement, PoolPlacement};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::Pid;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::kernel::{Host, Kernel};
use crate::memory::block::{Home, PoolBounds};
use crate::memory::pages::MemoryKind;
use crate::shard::{self, Parts, Seat, Shard};
use crate::start::{driver, interrupts};
use crate::submission::remote::Remote;
use crate::submission::slots::Slots;
use crate::uring::barrier;
use crate::uring::blocking::BlockingPools;
use crate::uring::ring::Ring;
use crate::uring::slice;
use crate::uring::tasks::HostedTasks;

/// How many shards, and what they may use.
#[derive(Clone, Debug)]
pub struct Settings {
    pub shards: u16,
    /// What the process may take. Freed blocks are kept for reuse up to a sixteenth of it, and up to three
    /// quarters with all blocks in use.
    pub memory_bytes: u64,
    /// What the shards write most lies here.
    pub directory: PathBuf,
    /// Names the threads.
    pub name: String,
}

/// glommio registers this much with each executor; files and sockets do not go through it.
const EXECUTOR_IO_MEMORY: usize = 64 << 10;
/// The executor's three rings carry its own timers.
const EXECUTOR_RING_DEPTH: usize = 64;
/// Never. If the executor's timer expires between its arming and the first look at it (a process that stands
/// still for that long suffices), glommio 0.9 parks although tasks can run, and nothing would wake it.
/// Nothing here needs the timer: the driver takes its turn among the tasks and looks at ring,
/// lanes and timers each round.
const PREEMPT_TIMER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Runs `main` on every shard, each on a thread of its own; returns when all of them have ended.
/// A panic in a shard ends the process.
pub fn run<F, Fut>(settings: Settings, main: F) -> io::Result<()>
where
    F: Fn(Seat) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    assert!(settings.shards > 0, "a process without shards would do nothing");
    barrier::register();
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let cpus = seats(&listed(&all), settings.shards, std::process::id(), |cpus| {
        interrupts::quiet_cpus(cpus, &settings.directory)
    });
    let blocking = BlockingPools::new(left_to_others(all, &cpus));
    let mut threads = Vec::new();
    for shard in 0..settings.shards {
        let birth = Birth {
            seat: Seat { shard, shards: settings.shards },
            cpu: cpus.get(usize::from(shard) % cpus.len().max(1)).copied(),
            memory: usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX)
                / usize::from(settings.shards),
            blocking: blocking.clone(),
        };
        let main = main.clone();
        let thread = std::thread::Builder::new().name(format!("{}-{shard}", settings.name));
        threads.push(thread.spawn(move || {
            let _abort = AbortOnPanic;
            birth.live(main)
        })?);
    }
    let mut result = Ok(());
    for thread in threads {
        let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a shard panicked")));
        result = result.and(ended);
    }
    result
}

fn listed(cpus: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|cpu| cpus.is_set(*cpu).unwrap_or(false)).collect()
}

/// The processors of the shards, in their order; where there are fewer than shards they begin again.
///
/// Shards keep off processors that take the disk's interrupts, where others are left: there the kernel also
/// ends hardened writes of a disk with a write cache, in a worker that waits for whoever runs. Beside a
/// reader at full speed one commit of a hundred took 2.2 ms there, 1.1 ms elsewhere. Where more processors
/// are left than shards, the first one depends on the process,
/// so that two brokers on one machine do not share processor 0.
fn seats(cpus: &[usize], shards: u16, process: u32, quiet: impl Fn(&[usize]) -> Vec<usize>) -> Vec<usize> {
    let shards = usize::from(shards);
    if cpus.len() <= shards {
        return cpus.to_vec();
    }
    let quiet = quiet(cpus);
    let cpus = if quiet.len() < shards { cpus } else { &quiet };
    let first = process as usize % (cpus.len() - shards + 1);
    cpus.iter().copied().skip(first).take(shards).collect()
}

/// Where the threads run that shards leave blocking work to, the kernel's and the process's: beside the
/// shards, where as many processors are left as those have. The scheduler leaves such a thread where it ran
/// last; hardened writes of bulk data took a fifth of the shard's processor so, while another was half idle.
fn left_to_others(cpus: CpuSet, shards: &[usize]) -> CpuSet {
    let mut left = cpus;
    let are_taken = shards.iter().all(|cpu| left.unset(*cpu).is_ok());
    if are_taken && listed(&left).len() >= shards.len() { left } else { cpus }
}

/// Tests unwind where the shipped profiles abort; other shards would wait for this one for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// What a shard's thread needs to begin.
struct Birth {
    seat: Seat,
    cpu: Option<usize>,
    memory: usize,
    blocking: BlockingPools,
}

impl Birth {
    fn live<F, Fut>(self, main: F) -> io::Result<()>
    where
        F: Fn(Seat) -> Fut,
        Fut: Future<Output = ()> + 'static,
    {
        let executor = LocalExecutorBuilder::new(self.cpu.map_or(Placement::Unbound, Placement::Fixed))
            .io_memory(EXECUTOR_IO_MEMORY)
            .ring_depth(EXECUTOR_RING_DEPTH)
            .preempt_timer(PREEMPT_TIMER)
            .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
            .make()
            .map_err(|error| io::Error::other(format!("shard {}: {error}", self.seat.shard)))?;
        slice::lengthen();
        let shard = self.shard()?;
        shard::swap_current(Some(Rc::clone(&shard)));
        executor.run(async {
            let main = crate::tasks::spawn(main(self.seat));
            let driver = glommio::spawn_local(driver::drive(Rc::clone(&shard))).detach();
            main.await;
            driver.cancel();
            if let Kernel::Uring(host) = &shard.kernel {
                host.tasks.end_all();
                host.ring.drain();
            }
        });
        drop(executor);
        shard::swap_current(None);
        Ok(())
    }

    fn shard(&self) -> io::Result<Rc<Shard>> {
        let eventfd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
        let bell = eventfd.as_fd().as_raw_fd();
        let remote = Remote::with_eventfd(eventfd.into());
        let slots = Rc::new(Slots::default());
        let ring = Ring::new(bell, Rc::clone(&slots), Arc::clone(&remote), self.blocking.clone())?;
        let parts = Parts {
            kernel: Kernel::Uring(Box::new(Host { tasks: HostedTasks::default(), ring })),
            slots,
            home: Home::new(PoolBounds::within(self.memory), MemoryKind::Served),
            remote,
            random: Xoshiro256PlusPlus::from_seed(os_seed()?),
        };
        Ok(Shard::new(parts))
    }
}

#[expect(clippy::disallowed_types, reason = "a seed from the system, once per shard, before it runs")]
fn os_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_seated_off_the_disks_interrupts_where_there_is_room() {
        let all = [0, 1, 2, 3];
        let cases: [(u16, u32, &[usize], &[usize]); 8] = [
            (1, 0, &[0, 2, 3], &[0]),
            (1, 1, &[0, 2, 3], &[2]),
            (1, 2, &[0, 2, 3], &[3]),
            (3, 7, &[0, 2, 3], &[0, 2, 3]),
            (3, 7, &[0, 2], &[1, 2, 3]),
            (2, 7, &[], &[1, 2]),
            (4, 7, &[0, 2, 3], &all),
            (9, 7, &[0, 2, 3], &all),
        ];
        for (shards, process, quiet, seated) in cases {
            let seats = seats(&all, shards, process, |_| quiet.to_vec());
            assert_eq!(seats, seated, "{shards} shards of process {process} beside {quiet:?}");
        }
    }

    #[test]
    fn blocking_work_is_done_beside_the_shards_where_as_many_processors_are_left() {
        let mut cpus = CpuSet::new();
        (0..4).for_each(|cpu| cpus.set(cpu).unwrap());
        let cases: [(&[usize], &[usize]); 4] =
            [(&[2], &[0, 1, 3]), (&[0, 2], &[1, 3]), (&[0, 1, 2], &[0, 1, 2, 3]), (&[], &[0, 1, 2, 3])];
        for (shards, left) in cases {
            assert_eq!(listed(&left_to_others(cpus, shards)), left, "beside {shards:?}");
        }
    }
}
