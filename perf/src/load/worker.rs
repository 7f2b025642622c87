//! One thread that drives several connections: it sleeps until a socket or a schedule has something for it.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::lane::Lane;
use super::schedule::Window;
use super::tally::Tally;
use crate::clock;
use crate::failure::Failure;

/// How late a worker may notice that another one failed.
const LOOK_UP: Duration = Duration::from_millis(200);

/// A connection, and the group that it counts for.
pub(super) struct Member {
    pub(super) lane: Lane,
    pub(super) group: usize,
}

/// Drives the connections until all are done, patience ends or another worker failed. Counts of each group go to `shared`,
/// which the reader of the progress empties from time to time.
pub(super) fn drive(
    mut lanes: Vec<Member>,
    window: &Window,
    shared: &Mutex<Vec<Tally>>,
    failed: &AtomicBool,
) -> Result<(), Failure> {
    lanes.iter_mut().for_each(|member| member.lane.arm(window));
    let driven = drive_armed(&mut lanes, window, shared, failed);
    if driven.is_err() {
        failed.store(true, Ordering::Relaxed);
    }
    driven
}

fn drive_armed(
    lanes: &mut [Member],
    window: &Window,
    shared: &Mutex<Vec<Tally>>,
    failed: &AtomicBool,
) -> Result<(), Failure> {
    let mut sockets = Sockets::watch(lanes)?;
    loop {
        let now = clock::now();
        if lanes.iter().all(|member| member.lane.is_done(now)) || failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut tallies = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= window.patience() {
            lanes.iter_mut().for_each(|Member { lane, group }| lane.give_up(&mut tallies[*group]));
            return Ok(());
        }
        for (Member { lane, group }, readable) in lanes.iter_mut().zip(&sockets.ready) {
            if *readable || lane.is_writing() || lane.wake(now).is_some_and(|wake| wake <= now) {
                lane.step(*readable, &mut tallies[*group])?;
            }
        }
        drop(tallies);
        sockets.wait(lanes, next_wake(lanes, window))?;
    }
}

/// The sockets of a worker's connections, as the kernel watches them: what a look costs depends on how many have
/// something, not on how many there are.
struct Sockets {
    watch: Epoll,
    /// Which of them are watched for room as well.
    writing: Vec<bool>,
    /// Which of them brought something.
    ready: Vec<bool>,
    events: Vec<EpollEvent>,
}

impl Sockets {
    fn watch(lanes: &[Member]) -> Result<Sockets, Failure> {
        let watch = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        for (place, Member { lane, .. }) in lanes.iter().enumerate() {
            watch.add(lane, interest(place, false)).map_err(failed)?;
        }
        let count = lanes.len();
        let events = vec![EpollEvent::empty(); count.max(1)];
        Ok(Sockets { watch, writing: vec![false; count], ready: vec![false; count], events })
    }

    /// Sleeps until a socket is ready or so much time has passed; then `ready` is of now.
    fn wait(&mut self, lanes: &[Member], timeout: Duration) -> Result<(), Failure> {
        for (place, (Member { lane, .. }, writing)) in lanes.iter().zip(&mut self.writing).enumerate() {
            if lane.is_writing() != *writing {
                *writing = lane.is_writing();
                self.watch.modify(lane, &mut interest(place, *writing)).map_err(failed)?;
            }
        }
        // The watch itself would sleep for whole milliseconds.
        let mut watch = [PollFd::new(self.watch.0.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut watch, Some(timeout.into()), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(failed(error)),
        }
        self.ready.fill(false);
        let count = self.watch.wait(&mut self.events, EpollTimeout::ZERO).map_err(failed)?;
        for event in &self.events[..count] {
            // An error or a hang-up is found by reading.
            let brought = event.events().intersects(!EpollFlags::EPOLLOUT);
            let ready = usize::try_from(event.data()).ok().and_then(|place| self.ready.get_mut(place));
            if let Some(ready) = ready {
                *ready = brought;
            }
        }
        Ok(())
    }
}

fn interest(place: usize, writing: bool) -> EpollEvent {
    let flags = match writing {
        true => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        false => EpollFlags::EPOLLIN,
    };
    EpollEvent::new(flags, place as u64)
}

fn failed(error: Errno) -> Failure {
    Failure::io("waiting for sockets")(error.into())
}

fn next_wake(lanes: &[Member], window: &Window) -> Duration {
    let now = clock::now();
    // A consumer that waits for records has to look at the end of the window.
    let end: Option<Instant> = (now < window.end).then_some(window.end);
    let wakes = lanes.iter().filter_map(|member| member.lane.wake(now));
    wakes.chain(end).map(|wake| wake.saturating_duration_since(now)).fold(LOOK_UP, Duration::min)
}
