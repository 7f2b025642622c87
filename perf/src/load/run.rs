//! One run: all connections from the same start, looked at from outside while it lasts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::group::Group;
use super::schedule::{Span, Window};
use super::tally::Tally;
use super::watch::{BrokerUse, Meter, Progress};
use super::worker::{self, Member};
use crate::broker::Process;
use crate::clock;
use crate::error::ClientError;
use crate::measure::Flow;
use crate::seat::{Seated, seats};

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

impl Run {
    /// Runs to the end of the window and until the answers owed are there.
    pub(crate) fn measure(self, progress: &mut dyn Progress) -> Result<Outcome, ClientError> {
        let groups = self.groups.len();
        let dealt = deal(self.groups);
        let empty = vec![Tally::new(); groups];
        let shared: Vec<Mutex<Vec<Tally>>> = dealt.iter().map(|_| Mutex::new(empty.clone())).collect();
        let processors = self.process.map(beside).transpose()?.unwrap_or_default();
        let window = Window::new(clock::now() + LEAD, self.span);
        let failed = AtomicBool::new(false);
        thread::scope(|scope| {
            let workers: Vec<_> = dealt
                .into_iter()
                .zip(&shared)
                .map(|(lanes, tallies)| {
                    scope.spawn(|| {
                        let _seated = Seated::among(&processors)?;
                        worker::drive(lanes, &window, tallies, &failed)
                    })
                })
                .collect();
            let mut observer = Observer { shared: &shared, total: empty };
            let running = || workers.iter().any(|worker| !worker.is_finished());
            let seen = observer.observe(&window, self.process, running, &failed, progress);
            let ended_early = clock::now() < window.end;
            for worker in workers {
                worker.join().map_err(|_| ClientError::Usage("a loading thread panicked".to_owned()))??;
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

/// Processors that no thread of the broker is bound to: the generator stays on those, as on a machine of its
/// own. Left to the scheduler a thread that a shard wakes is moved to the shard's processor, and in its way,
/// while others idle.
fn beside(broker: Process) -> Result<Vec<usize>, ClientError> {
    let bound = broker.bound_threads();
    Ok(seats()?.into_iter().filter(|cpu| !bound.contains(cpu)).collect())
}

/// Deals the connections of all groups to as many threads as the group with the most of them wants, no thread
/// without one. Groups share threads: with threads of their own on one processor,
/// one group's latencies would be the other's turns.
fn deal(groups: Vec<Group>) -> Vec<Vec<Member>> {
    let threads = groups.iter().map(|group| group.threads).max().unwrap_or(1);
    let count: usize = groups.iter().map(|group| group.lanes.len()).sum();
    let mut dealt: Vec<Vec<Member>> = (0..threads.clamp(1, count.max(1))).map(|_| Vec::new()).collect();
    let members = groups
        .into_iter()
        .enumerate()
        .flat_map(|(group, Group { lanes, .. })| lanes.into_iter().map(move |lane| Member { lane, group }));
    for (place, member) in members.enumerate() {
        let thread = place % dealt.len();
        dealt[thread].push(member);
    }
    dealt
}

/// Collects what the workers count.
struct Observer<'a> {
    shared: &'a [Mutex<Vec<Tally>>],
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
    ) -> Result<Seen, ClientError> {
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
        let mut interval = vec![Tally::new(); self.total.len()];
        for shared in self.shared {
            // Made before the worker has to wait for it.
            let mut counted = vec![Tally::new(); self.total.len()];
            std::mem::swap(&mut counted, &mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
            for (group, counted) in counted.iter().enumerate() {
                interval[group].merge(counted);
                self.total[group].merge(counted);
            }
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
