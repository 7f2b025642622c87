//! Disk classes: whose work the device gets while commits are under way. Commits first, then tails, then cold reads and
//! upkeep.
//!
//! Nobody takes a request back from the device, so what a commit waits for is what was given away before it began. While
//! commits come and go, the classes behind them have one request under way, which begins when no commit is in flight; and
//! where one commit follows the other, behind the end of one of them. So neither waits for more than one request of the
//! other.

use std::cell::Cell;
use std::time::Duration;

use millrace_core::base::measure::Counter;
use millrace_rt::{Moment, Signal};

/// Commits count as coming and going for that long after the last one: a producer of a record every now and then is not
/// to meet a burst of reads each time.
const ACTIVE: Duration = Duration::from_millis(500);
/// Requests under way of the classes behind commits, while those are active.
const BESIDE_COMMITS: usize = 1;

/// The classes of one shard's requests. Tails have a pace of their own (`flusher.rs`).
#[derive(Default)]
pub(crate) struct DiskClasses {
    in_flight: Cell<bool>,
    /// When the last commit ended; none before the first.
    ended: Cell<Option<Moment>>,
    /// Commits that ended so far.
    commits: Cell<u64>,
    /// The number of commits when the last request behind them began.
    behind: Cell<u64>,
    /// Requests under way of the classes behind commits.
    under_way: Cell<usize>,
    /// A commit or a request behind them ended.
    ends: Signal,
    waits: Counter,
    wait_nanos: Counter,
}

/// Requests behind commits, of one shard at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskClassStats {
    /// Cold reads and requests of upkeep that waited for commits.
    pub waits: u64,
    pub wait_nanos: u64,
}

impl DiskClasses {
    pub(crate) fn commit_begins(&self) {
        self.in_flight.set(true);
    }

    pub(crate) fn commit_ended(&self, now: Moment) {
        self.in_flight.set(false);
        self.ended.set(Some(now));
        self.commits.set(self.commits.get() + 1);
        self.ends.notify_all();
    }

    /// Completes when a cold read or a request of upkeep may begin; it is under way until the turn is dropped.
    ///
    /// Dropping the future takes no turn.
    pub(crate) async fn turn(&self) -> DiskTurn<'_> {
        if !self.may_begin() {
            let begun = millrace_rt::now();
            self.waits.increment();
            while !self.may_begin() {
                self.ends.wait().await;
            }
            self.wait_nanos.add((millrace_rt::now() - begun).as_nanos() as u64);
        }
        self.under_way.set(self.under_way.get() + 1);
        self.behind.set(self.commits.get());
        DiskTurn { classes: self }
    }

    /// Whether commits come and go: whoever is not in a hurry makes way for them.
    pub(crate) fn are_commits_active(&self) -> bool {
        let is_recent = |ended| millrace_rt::now() - ended < ACTIVE;
        self.in_flight.get() || self.ended.get().is_some_and(is_recent)
    }

    fn may_begin(&self) -> bool {
        if !self.are_commits_active() {
            return true;
        }
        let had_one = self.behind.get() == self.commits.get();
        self.under_way.get() < BESIDE_COMMITS && !(self.in_flight.get() && had_one)
    }

    pub(crate) fn stats(&self) -> DiskClassStats {
        DiskClassStats { waits: self.waits.get(), wait_nanos: self.wait_nanos.get() }
    }
}

/// A request behind commits that is under way.
pub(crate) struct DiskTurn<'a> {
    classes: &'a DiskClasses,
}

impl Drop for DiskTurn<'_> {
    fn drop(&mut self) {
        self.classes.under_way.set(self.classes.under_way.get() - 1);
        self.classes.ends.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::rc::Rc;

    use millrace_rt::world::{World, WorldOptions};
    use millrace_rt::{now, sleep, spawn};

    /// What the device takes for a request of any class.
    const SERVICE: Duration = Duration::from_micros(200);
    const RUN: Duration = Duration::from_millis(200);
    const READERS: usize = 4;

    /// A device that serves one request after the other.
    #[derive(Default)]
    struct Device {
        free_at: Cell<Option<Moment>>,
    }

    impl Device {
        async fn serve(&self) {
            let begins = self.free_at.get().map_or(now(), |free| free.max(now()));
            self.free_at.set(Some(begins + SERVICE));
            millrace_rt::sleep_until(begins + SERVICE).await;
        }
    }

    #[derive(Default)]
    struct Seen {
        commits: Cell<u32>,
        reads: Cell<u32>,
        slowest_commit: Cell<Duration>,
    }

    #[derive(Default)]
    struct Stage {
        classes: DiskClasses,
        device: Device,
        seen: Seen,
    }

    /// Commits that begin so long after the one before ended, beside readers that always want more.
    async fn run(stage: Rc<Stage>, pause: Option<Duration>) {
        let end = now() + RUN;
        for _ in 0..READERS {
            let stage = Rc::clone(&stage);
            spawn(async move {
                while now() < end {
                    let _turn = stage.classes.turn().await;
                    stage.device.serve().await;
                    stage.seen.reads.set(stage.seen.reads.get() + 1);
                }
            });
        }
        let Some(pause) = pause else { return sleep(RUN).await };
        // The first commit finds what was under way before anybody knew of it.
        let mut is_first = true;
        while now() < end {
            let begun = now();
            stage.classes.commit_begins();
            stage.device.serve().await;
            stage.classes.commit_ended(now());
            let seen = &stage.seen;
            seen.commits.set(seen.commits.get() + 1);
            if !std::mem::take(&mut is_first) {
                seen.slowest_commit.set(seen.slowest_commit.get().max(now() - begun));
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    fn play(pause: Option<Duration>) -> Rc<Stage> {
        let stage = Rc::new(Stage::default());
        let mut world = World::new(3, WorldOptions::default());
        let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
        let played = Rc::clone(&stage);
        world.start(node, 1, move |_| run(Rc::clone(&played), pause));
        world.run_for(2 * RUN);
        stage
    }

    #[test]
    fn a_commit_waits_for_one_read_at_most_and_reads_go_on() {
        // The pause between commits, and how many reads there must be for each.
        for (pause_us, reads_each) in [(0, 0.9), (100, 0.9), (1_000, 3.0), (20_000, 90.0)] {
            let stage = play(Some(Duration::from_micros(pause_us)));
            let (commits, reads) = (stage.seen.commits.get(), stage.seen.reads.get());
            let slowest = stage.seen.slowest_commit.get();
            assert!(slowest <= 2 * SERVICE + SERVICE / 10, "pause of {pause_us} us: {slowest:?}");
            assert!(
                f64::from(reads) >= reads_each * f64::from(commits),
                "pause of {pause_us} us: {reads} reads beside {commits} commits"
            );
            assert!(stage.classes.stats().waits > 0 && stage.classes.stats().wait_nanos > 0);
        }
    }

    #[test]
    fn without_commits_nobody_waits() {
        let stage = play(None);
        assert_eq!(stage.classes.stats().waits, 0);
        let reads = u128::from(stage.seen.reads.get());
        assert!(reads >= RUN.as_micros() / SERVICE.as_micros() * 9 / 10, "{reads} reads");
    }
}
