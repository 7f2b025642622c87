//! The driver of a shard: submits what tasks queued, hands out what came back, sleeps when there is nothing.
#![allow(unsafe_code)]
// `unsafe` here: glommio takes a raw descriptor to read the eventfd through; it owns a duplicate made for it.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use glommio::io::BufferedFile;
use nix::sys::eventfd::EventFd;

use crate::kernel::Kernel;
use crate::shard::Shard;
use crate::tasks::yield_now;
use crate::uring::ring::Ring;

/// Size of an eventfd's counter.
const COUNTER_BYTES: usize = 8;

/// The shard's eventfd, as the driver reads it.
pub(crate) struct Notices {
    duplicate: OwnedFd,
}

impl Notices {
    pub(crate) fn of(eventfd: &EventFd) -> io::Result<Notices> {
        Ok(Notices { duplicate: eventfd.as_fd().try_clone_to_owned()? })
    }

    /// The same counter: what the ring writes, the driver reads.
    pub(crate) fn raw_fd(&self) -> RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.duplicate)
    }
}

/// Runs as long as the shard. It never spins: when a turn moved nothing it waits for the eventfd or for a task that
/// queues something.
pub(crate) async fn drive(shard: Rc<Shard>, notices: Notices) {
    let Kernel::Uring(host) = &shard.kernel else { panic!("the driver belongs to the real kernel") };
    let ring = &host.ring;
    // SAFETY: the duplicate is given away; glommio closes it.
    let counter = unsafe { BufferedFile::from_raw_fd(notices.duplicate.into_raw_fd()) };
    let mut reading: Option<Reading<'_>> = None;
    let mut polls = 0;
    loop {
        // While tasks run, other shards are attended each round: a bell would wait for the executor's timer.
        let busy = std::mem::replace(&mut polls, host.tasks.polls()) != host.tasks.polls();
        if turn(&shard, ring) || busy {
            yield_now().await;
            continue;
        }
        // From here on completions and other shards ring; then look once more.
        if !ring.listen() {
            continue;
        }
        if shard.remote.park() {
            let read = reading.get_or_insert_with(|| Box::pin(read_counter(&counter)));
            if wait(ring, read).await == Woken::ByEventfd {
                reading = None;
            }
            shard.remote.unpark();
        }
        ring.hush();
    }
}

type Reading<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

#[derive(PartialEq, Eq)]
enum Woken {
    ByEventfd,
    ByTask,
}

async fn read_counter(counter: &BufferedFile) {
    if let Err(error) = counter.read_at(0, COUNTER_BYTES).await {
        panic!("the eventfd of a shard cannot be read: {error}");
    }
}

/// Ends when the eventfd was read or a task needs the driver.
async fn wait(ring: &Ring, read: &mut Reading<'_>) -> Woken {
    let mut waited = false;
    poll_fn(|cx| {
        if read.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Woken::ByEventfd);
        }
        if waited && ring.driver_was_woken() {
            return Poll::Ready(Woken::ByTask);
        }
        waited = true;
        ring.set_driver(cx.waker());
        Poll::Pending
    })
    .await
}

/// One round: the kernel, the other shards, the clock. True if anything moved.
fn turn(shard: &Rc<Shard>, ring: &Ring) -> bool {
    let now = shard.now();
    let moved = ring.turn(now, shard.timers.next_deadline());
    let attended = shard.attend();
    let fired = shard.timers.fire(now);
    moved || attended || fired
}
