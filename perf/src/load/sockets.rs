//! The sockets of connections that one thread drives, as the kernel watches them.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::lane::Lane;
use crate::error::ClientError;

/// What a look at them costs depends on how many have something, not on how many there are.
pub(super) struct Sockets {
    watch: Epoll,
    /// Which of them are watched for room as well.
    writing: Vec<bool>,
    /// Which of them brought something.
    pub(super) ready: Vec<bool>,
    events: Vec<EpollEvent>,
}

impl Sockets {
    pub(super) fn watch<'a>(lanes: impl Iterator<Item = &'a Lane>) -> Result<Sockets, ClientError> {
        let watch = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        let mut count = 0;
        for lane in lanes {
            watch.add(lane, interest(count, false)).map_err(failed)?;
            count += 1;
        }
        let events = vec![EpollEvent::empty(); count.max(1)];
        Ok(Sockets { watch, writing: vec![false; count], ready: vec![false; count], events })
    }

    /// Looks for room where something is to be written, from now on.
    pub(super) fn mind<'a>(&mut self, lanes: impl Iterator<Item = &'a Lane>) -> Result<(), ClientError> {
        for (place, (lane, writing)) in lanes.zip(&mut self.writing).enumerate() {
            if lane.is_writing() != *writing {
                *writing = lane.is_writing();
                self.watch.modify(lane, &mut interest(place, *writing)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Lets `ready` be of now.
    pub(super) fn look(&mut self) -> Result<(), ClientError> {
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

impl AsFd for Sockets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.0.as_fd()
    }
}

/// Sleeps until one of them has something or so much time has passed.
pub(super) fn sleep<'a>(
    sockets: impl Iterator<Item = &'a Sockets>,
    timeout: Duration,
) -> Result<(), ClientError> {
    // A watch itself would sleep for whole milliseconds.
    let mut watches: Vec<PollFd<'_>> =
        sockets.map(|sockets| PollFd::new(sockets.as_fd(), PollFlags::POLLIN)).collect();
    match ppoll(&mut watches, Some(timeout.into()), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn interest(place: usize, writing: bool) -> EpollEvent {
    let flags = match writing {
        true => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        false => EpollFlags::EPOLLIN,
    };
    EpollEvent::new(flags, place as u64)
}

fn failed(error: Errno) -> ClientError {
    ClientError::io("waiting for sockets")(error.into())
}
