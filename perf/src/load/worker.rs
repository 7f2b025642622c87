//! One thread that drives several connections: it sleeps until a socket or a schedule has something for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::schedule::Window;
use super::sockets::{self, Sockets};
use super::tally::Tally;
use crate::clock;
use crate::error::ClientError;

/// How late a worker may notice that another one failed.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Of the groups behind the first, so many connections have their turn before the first is looked at again:
/// its latencies are what a figure is about, and an answer that waits behind fifty others in the generator
/// would count as late.
const STEPS_BESIDE: usize = 4;
/// Of the groups behind the first, once nothing is left to do: requests that come due and answers that arrive
/// meanwhile are one wake, as they are where a network card tells of several packets at once. A wake for each
/// of 20,000 a second takes most of a processor, from the kernel's own workers as well.
const REST: Duration = Duration::from_micros(200);

/// A connection, and the group that it counts for.
pub(super) struct Member {
    pub(super) lane: Lane,
    pub(super) group: usize,
}

/// Drives the connections until all are done, patience ends or another worker failed. Counts of each group go
/// to `shared`, which the reader of the progress empties from time to time.
pub(super) fn drive(
    mut lanes: Vec<Member>,
    window: &Window,
    shared: &Mutex<Vec<Tally>>,
    failed: &AtomicBool,
) -> Result<(), ClientError> {
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
) -> Result<(), ClientError> {
    let mut crews = crews(lanes)?;
    loop {
        let now = clock::now();
        let is_done = crews.iter().all(|crew| crew.members.iter().all(|member| member.lane.is_done(now)));
        if is_done || failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut tallies = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= window.patience() {
            for Member { lane, group } in crews.iter_mut().flat_map(|crew| &mut *crew.members) {
                lane.give_up(&mut tallies[*group]);
            }
            return Ok(());
        }
        for crew in crews.iter_mut().filter(|crew| crew.is_awake(now)) {
            crew.step(now, &mut tallies)?;
        }
        drop(tallies);
        let now = clock::now();
        let awake = crews.iter().filter(|crew| crew.is_awake(now)).map(|crew| &crew.sockets);
        sockets::sleep(awake, next_wake(&crews, window, now))?;
        let now = clock::now();
        for crew in crews.iter_mut().filter(|crew| crew.is_awake(now)) {
            crew.sockets.look()?;
        }
    }
}

/// The connections of one group among those of a thread.
struct Crew<'a> {
    members: &'a mut [Member],
    sockets: Sockets,
    /// Another group's latencies are what the run is about.
    is_beside: bool,
    /// Who comes first in the next turn.
    first: usize,
    rests_until: Option<Instant>,
}

/// One of each group. Connections of a group lie together.
fn crews(lanes: &mut [Member]) -> Result<Vec<Crew<'_>>, ClientError> {
    let groups = lanes.chunk_by_mut(|one, other| one.group == other.group);
    groups.enumerate().map(|(place, members)| Crew::new(members, place > 0)).collect()
}

impl Crew<'_> {
    fn new(members: &mut [Member], is_beside: bool) -> Result<Crew<'_>, ClientError> {
        let sockets = Sockets::watch(members.iter().map(|member| &member.lane))?;
        Ok(Crew { members, sockets, is_beside, first: 0, rests_until: None })
    }

    fn is_awake(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    /// Drives those that have something, one after the other; who is left waits for the next turn.
    fn step(&mut self, now: Instant, tallies: &mut [Tally]) -> Result<(), ClientError> {
        let count = self.members.len();
        let steps_max = if self.is_beside { STEPS_BESIDE } else { usize::MAX };
        let mut left = steps_max;
        for place in (self.first..count).chain(0..self.first) {
            let Member { lane, group } = &mut self.members[place];
            let readable = std::mem::take(&mut self.sockets.ready[place]);
            if !(readable || lane.is_writing() || lane.wake(now).is_some_and(|wake| wake <= now)) {
                continue;
            }
            lane.step(readable, &mut tallies[*group])?;
            left -= 1;
            if left == 0 {
                self.first = (place + 1) % count;
                break;
            }
        }
        self.sockets.mind(self.members.iter().map(|member| &member.lane))?;
        if self.is_beside && (1..steps_max).contains(&left) {
            self.sockets.look()?;
            let is_idle = !self.sockets.ready.contains(&true);
            self.rests_until = is_idle.then(|| now + REST);
        }
        Ok(())
    }

    /// When it wants to be driven again, if nothing arrives before.
    fn wake(&self, now: Instant) -> Option<Instant> {
        match self.rests_until {
            Some(until) if until > now => Some(until),
            _ => self.members.iter().filter_map(|member| member.lane.wake(now)).min(),
        }
    }
}

fn next_wake(crews: &[Crew<'_>], window: &Window, now: Instant) -> Duration {
    // A consumer that waits for records has to look at the end of the window.
    let end: Option<Instant> = (now < window.end).then_some(window.end);
    let wakes = crews.iter().filter_map(|crew| crew.wake(now));
    wakes.chain(end).map(|wake| wake.saturating_duration_since(now)).fold(LOOK_UP, Duration::min)
}
