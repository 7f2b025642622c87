//! One thread that drives several connections: it sleeps until a socket or a schedule has something for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};

use super::lane::Lane;
use super::schedule::Window;
use super::tally::Tally;
use crate::clock;
use crate::failure::Failure;

/// How late a worker may notice that another one failed.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Drives the connections until all are done, patience ends or another worker failed. Counts go to `shared`, which the
/// reader of the progress empties from time to time.
pub(super) fn drive(
    mut lanes: Vec<Lane>,
    window: &Window,
    shared: &Mutex<Tally>,
    failed: &AtomicBool,
) -> Result<(), Failure> {
    lanes.iter_mut().for_each(|lane| lane.arm(window));
    let driven = drive_armed(&mut lanes, window, shared, failed);
    if driven.is_err() {
        failed.store(true, Ordering::Relaxed);
    }
    driven
}

fn drive_armed(
    lanes: &mut [Lane],
    window: &Window,
    shared: &Mutex<Tally>,
    failed: &AtomicBool,
) -> Result<(), Failure> {
    let mut ready = vec![false; lanes.len()];
    loop {
        let now = clock::now();
        if lanes.iter().all(|lane| lane.is_done(now)) || failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut tally = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= window.patience() {
            lanes.iter_mut().for_each(|lane| lane.give_up(&mut tally));
            return Ok(());
        }
        for (lane, readable) in lanes.iter_mut().zip(&ready) {
            if *readable || lane.is_writing() || lane.wake(now).is_some_and(|wake| wake <= now) {
                lane.step(*readable, &mut tally)?;
            }
        }
        drop(tally);
        wait(lanes, &mut ready, window)?;
    }
}

/// Sleeps until a socket is ready or the next request is due; `ready` then says which sockets brought something.
fn wait(lanes: &[Lane], ready: &mut [bool], window: &Window) -> Result<(), Failure> {
    let interest = |lane: &Lane| match lane.is_writing() {
        true => PollFlags::POLLIN | PollFlags::POLLOUT,
        false => PollFlags::POLLIN,
    };
    let mut sockets: Vec<PollFd<'_>> =
        lanes.iter().map(|lane| PollFd::new(std::os::fd::AsFd::as_fd(lane), interest(lane))).collect();
    let timeout = next_wake(lanes, window);
    match ppoll(&mut sockets, Some(timeout.into()), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(Failure::io("waiting for sockets")(error.into())),
    }
    for (socket, ready) in sockets.iter().zip(ready) {
        // An error or a hang-up is found by reading.
        *ready = socket.revents().is_some_and(|events| events.intersects(!PollFlags::POLLOUT));
    }
    Ok(())
}

fn next_wake(lanes: &[Lane], window: &Window) -> Duration {
    let now = clock::now();
    // A consumer that waits for records has to look at the end of the window.
    let end: Option<Instant> = (now < window.end).then_some(window.end);
    let wakes = lanes.iter().filter_map(|lane| lane.wake(now));
    wakes.chain(end).map(|wake| wake.saturating_duration_since(now)).fold(LOOK_UP, Duration::min)
}
