//! One run: all connections from the same start, looked at from outside while it lasts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::group::Group;
use super::lane::Lane;
use super::schedule::{Span, Window};
use super::tally::Tally;
use super::watch::{BrokerUse, Meter, Progress};
use super::worker;
use crate::broker::Process;
use crate::clock;
use crate::failure::Failure;
use crate::measure::Flow;

/// Until the first request, so that all threads are there.
const LEAD: Duration = Duration::from_millis(20);
/// Between two looks at the broker's memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Loads that run at once.
pub(crate) struct Run {
    pub(crate) groups: Vec<Group>,
    pub(crate) span: Span,
    /// The broker's, if it runs on this machine.
    pub(crate) process: Option<Process>,
}

/// What a run showed.
pub(crate) struct Outcome {
    /// In the order of the groups.
    pub(crate) tallies: Vec<Tally>,
    /// Length of the window, or until the last answer where all consumers stopped before its end.
    pub(crate) seconds: f64,
    pub(crate) broker: Option<BrokerUse>,
    /// Processor time of this program.
    pub(crate) own_cpu: Duration,
}

impl Outcome {
    /// Of all groups together, with what the broker paid.
    pub(crate) fn flow(&self) -> Flow {
        let cpu = self.broker.map_or(0.0, |broker| broker.cpu.as_secs_f64());
        Flow { bytes: self.tallies.iter().map(|tally| tally.bytes).sum(), seconds: self.seconds, cpu }
    }
}

/// A worker's connections, the group they count for, and where they count.
struct Seat {
    lanes: Vec<Lane>,
    group: usize,
}

impl Run {
    /// Runs to the end of the window and until the answers owed are there.
    pub(crate) fn measure(self, progress: &mut dyn Progress) -> Result<Outcome, Failure> {
        let groups = self.groups.len();
        let mut seats: Vec<Seat> = Vec::new();
        for (group, Group { lanes, threads }) in self.groups.into_iter().enumerate() {
            seats.extend(split(lanes, threads).into_iter().map(|lanes| Seat { lanes, group }));
        }
        let shared: Vec<(usize, Mutex<Tally>)> =
            seats.iter().map(|seat| (seat.group, Mutex::new(Tally::new()))).collect();
        let window = Window::new(clock::now() + LEAD, self.span);
        let failed = AtomicBool::new(false);
        thread::scope(|scope| {
            let workers: Vec<_> = seats
                .into_iter()
                .zip(&shared)
                .map(|(seat, (_, tally))| scope.spawn(|| worker::drive(seat.lanes, &window, tally, &failed)))
                .collect();
            let mut observer = Observer { groups, shared: &shared, total: vec![Tally::new(); groups] };
            let running = || workers.iter().any(|worker| !worker.is_finished());
            let seen = observer.observe(&window, self.process, running, &failed, progress);
            let ended_early = clock::now() < window.end;
            for worker in workers {
                worker.join().map_err(|_| Failure::Usage("a loading thread panicked".to_owned()))??;
            }
            let seen = seen?;
            observer.collect();
            let Seen { broker, own_cpu } = seen;
            let last = observer.total.iter().filter_map(|tally| tally.last).max();
            let end = last.filter(|_| ended_early).unwrap_or(window.end);
            let seconds = (end - window.begin).as_secs_f64();
            Ok(Outcome { tallies: observer.total, seconds, broker, own_cpu })
        })
    }
}

/// Deals connections to so many threads, no thread without one.
fn split(lanes: Vec<Lane>, threads: usize) -> Vec<Vec<Lane>> {
    let threads = threads.clamp(1, lanes.len().max(1));
    let mut split: Vec<Vec<Lane>> = (0..threads).map(|_| Vec::new()).collect();
    for (place, lane) in lanes.into_iter().enumerate() {
        split[place % threads].push(lane);
    }
    split
}

/// Collects what the workers count.
struct Observer<'a> {
    groups: usize,
    shared: &'a [(usize, Mutex<Tally>)],
    total: Vec<Tally>,
}

/// What was seen from outside.
struct Seen {
    broker: Option<BrokerUse>,
    own_cpu: Duration,
}

impl Observer<'_> {
    /// Looks on until the window ends, or until no worker runs.
    fn observe(
        &mut self,
        window: &Window,
        process: Option<Process>,
        running: impl Fn() -> bool,
        failed: &AtomicBool,
        progress: &mut dyn Progress,
    ) -> Result<Seen, Failure> {
        sleep_while(window.begin, &running);
        self.collect();
        let own = Process { id: std::process::id() };
        let own_cpu = own.cpu_time()?;
        let mut meter = process.map(Meter::start).transpose()?;
        let mut tell_at = window.begin + TELL_EVERY;
        while clock::now() < window.end && running() && !failed.load(Ordering::Relaxed) {
            clock::sleep_until(window.end.min(clock::now() + LOOK_EVERY));
            if let Some(meter) = &mut meter {
                meter.look();
            }
            if clock::now() >= tell_at {
                let broker = meter.as_mut().map(Meter::read).transpose()?;
                let interval = self.collect();
                progress.second(tell_at - window.begin, &interval, broker.as_ref());
                tell_at += TELL_EVERY;
            }
        }
        Ok(Seen {
            broker: meter.as_mut().map(Meter::read).transpose()?,
            own_cpu: own.cpu_time()?.saturating_sub(own_cpu),
        })
    }

    /// Takes what was counted since the last time, adds it to the total and returns it by group.
    fn collect(&mut self) -> Vec<Tally> {
        let mut interval = vec![Tally::new(); self.groups];
        for (group, shared) in self.shared {
            let counted = {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *shared, Tally::new())
            };
            interval[*group].merge(&counted);
            self.total[*group].merge(&counted);
        }
        interval
    }
}

/// Sleeps until the moment, or until nothing runs any more.
fn sleep_while(moment: Instant, running: impl Fn() -> bool) {
    while clock::now() < moment && running() {
        clock::sleep_until(moment.min(clock::now() + LOOK_EVERY));
    }
}
