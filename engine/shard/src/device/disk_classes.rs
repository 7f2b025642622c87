//! Disk classes: whose work the device gets while commits are under way. Commits first, then tails,
//! then cold reads and upkeep.
//!
//! Nobody takes a request back from the device, so what a commit waits for is what was given away before it
//! began. While commits come and go, the classes behind them have one request under way, which begins when no
//! commit is in flight; and where one commit follows the other, behind the end of one of them. So neither
//! waits for more than one request of the other. Behind each such request the device rests from them for as
//! long as it took, so that most commits find it free, and the processors that end them too. Where commits
//! bring more than a request, the classes behind them may bring as much beside them: a reader that fell
//! behind would never catch up in single requests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use millrace_core::base::measure::Counter;
use millrace_rt::{Moment, Signal};

/// Commits count as coming and going for that long after the last one: a producer of a record every now and
/// then is not to meet a burst of reads each time.
const ACTIVE: Duration = Duration::from_millis(500);
/// Commits have this many times as much under way as the classes behind them may have,
/// or these have one request.
const PART_BEHIND: u64 = 2;
/// What commits brought lets the classes behind them bring as much; so much of that is saved up. Reads are
/// answered sooner than hardened writes: a part of what is under way alone would let them take most of a
/// device that is slow.
const CREDIT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Requests under way where no commits come and go: a first commit waits for no more. Four reads of a page
/// are the rate of most devices; faster ones get as many as they end in time.
const WITHOUT_COMMITS: RangeInclusive<usize> = 4..=16;
const ENDED_IN_TIME: Duration = Duration::from_millis(2);
/// Extents under way together, or as many as bring no more bytes than the next constant. They keep a device
/// busy; more would only be smaller, each with the file system's own writes and a flush behind it, since what
/// waits meanwhile makes the next one longer. Of 12 producers with 4 MiB together in flight to 6 partitions,
/// three at once took 10 to 20 % more than six half as long, for a fifth less processor time.
const EXTENTS_TOGETHER: usize = 3;
const EXTENT_BYTES_TOGETHER: u64 = 1536 * 1024;

/// The classes of one shard's requests. Tails have a pace of their own (`commit::credit`).
#[derive(Default)]
pub(crate) struct DiskClasses {
    commits: CommitWrites,
    extents: ExtentWrites,
    /// The number of commits when the last request behind them began.
    behind: Cell<u64>,
    /// Requests under way of the classes behind commits, and their bytes.
    under_way: Cell<usize>,
    under_way_bytes: Cell<u64>,
    /// How many of them end in time, by the last one that ended.
    depth: Cell<usize>,
    /// Until when single requests behind commits leave the device alone; none before the first.
    rests_until: Cell<Option<Moment>>,
    /// Bytes that they may begin beside commits.
    credit: Cell<u64>,
    /// A commit began or ended, or a request behind them ended.
    changed: Signal,
    waits: Counter,
    wait_nanos: Counter,
}

/// Writes of frames to the journal.
#[derive(Default)]
struct CommitWrites {
    in_flight: Cell<usize>,
    in_flight_bytes: Cell<u64>,
    /// When the last one ended; none before the first.
    ended: Cell<Option<Moment>>,
    /// Those that ended so far.
    count: Cell<u64>,
}

/// Writes on their way to segments before the journal names them.
#[derive(Default)]
struct ExtentWrites {
    count: Cell<usize>,
    bytes: Cell<u64>,
    /// Those that wait for their turn, the first at the front, and the number of the next.
    line: RefCell<VecDeque<(u64, Signal)>>,
    number: Cell<u64>,
}

/// Requests behind commits, of one shard at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskClassStats {
    /// Cold reads and requests of upkeep that waited for commits.
    pub waits: u64,
    pub wait_nanos: u64,
}

impl DiskClasses {
    pub(crate) fn commit_begins(&self, bytes: u64) {
        self.commits.in_flight.set(self.commits.in_flight.get() + 1);
        self.commits.in_flight_bytes.set(self.commits.in_flight_bytes.get() + bytes);
        // A large one has room for others beside it.
        self.changed.notify_all();
    }

    /// Completes when an extent of `bytes` may begin beside those under way, first come, first served; it
    /// begins with `extent`. More may have come to it meanwhile.
    ///
    /// Dropping the future takes no turn.
    pub(crate) async fn extent_turn(&self, bytes: impl Fn() -> u64) {
        if self.extents.line.borrow().is_empty() && self.has_extent_room(bytes()) {
            return;
        }
        let number = self.extents.number.replace(self.extents.number.get() + 1);
        let called = Signal::new();
        self.extents.line.borrow_mut().push_back((number, called.clone()));
        let place = ExtentPlace { classes: self, number };
        while !(place.is_first() && self.has_extent_room(bytes())) {
            called.wait().await;
        }
    }

    fn has_extent_room(&self, bytes: u64) -> bool {
        self.extents.count.get() < EXTENTS_TOGETHER
            || self.extents.bytes.get() + bytes <= EXTENT_BYTES_TOGETHER
    }

    fn call_next_extent(&self) {
        if let Some((_, called)) = self.extents.line.borrow().front() {
            called.notify_all();
        }
    }

    /// Bytes are on their way to a segment that a commit waits for, until the result is dropped.
    pub(crate) fn extent(&self, bytes: u64) -> ExtentUnderWay<'_> {
        self.extents.count.set(self.extents.count.get() + 1);
        self.extents.bytes.set(self.extents.bytes.get() + bytes);
        self.changed.notify_all();
        ExtentUnderWay { classes: self, bytes }
    }

    /// A commit of `bytes` ended.
    pub(crate) fn commit_ended(&self, bytes: u64, now: Moment) {
        self.commits.in_flight.set(self.commits.in_flight.get() - 1);
        self.commits.in_flight_bytes.set(self.commits.in_flight_bytes.get() - bytes);
        self.brought(bytes);
        self.commits.ended.set(Some(now));
        self.commits.count.set(self.commits.count.get() + 1);
        self.changed.notify_all();
    }

    /// Completes when a cold read or a request of upkeep may begin;
    /// it is under way until the turn is dropped.
    ///
    /// Dropping the future takes no turn.
    pub(crate) async fn turn(&self, bytes: u64) -> DiskTurn<'_> {
        if !self.may_begin(bytes) {
            let begun = millrace_rt::now();
            self.waits.increment();
            while !self.may_begin(bytes) {
                match self.rest() {
                    Some(rest) => drop(millrace_rt::timeout(rest, self.changed.wait()).await),
                    None => self.changed.wait().await,
                }
            }
            self.wait_nanos.add((millrace_rt::now() - begun).as_nanos() as u64);
        }
        self.under_way.set(self.under_way.get() + 1);
        self.under_way_bytes.set(self.under_way_bytes.get() + bytes);
        self.credit.set(self.credit.get().saturating_sub(bytes));
        self.behind.set(self.commits.count.get());
        DiskTurn { classes: self, bytes, begun: millrace_rt::now(), together: self.under_way.get() }
    }

    /// Whether commits come and go: work that is not urgent makes way for them.
    pub(crate) fn are_commits_active(&self) -> bool {
        let is_recent = |ended| millrace_rt::now() - ended < ACTIVE;
        self.commits.in_flight.get() > 0 || self.commits.ended.get().is_some_and(is_recent)
    }

    fn may_begin(&self, bytes: u64) -> bool {
        let under_way = self.under_way.get();
        if !self.are_commits_active() {
            return under_way < self.depth();
        }
        let had_one = self.behind.get() == self.commits.count.get();
        let is_alone =
            under_way == 0 && !(self.commits.in_flight.get() > 0 && had_one) && self.rest().is_none();
        let commit_bytes = self.commits.in_flight_bytes.get() + self.extents.bytes.get();
        let has_part = (self.under_way_bytes.get() + bytes) * PART_BEHIND <= commit_bytes;
        is_alone || (has_part && self.credit.get() >= bytes)
    }

    fn depth(&self) -> usize {
        self.depth.get().clamp(*WITHOUT_COMMITS.start(), *WITHOUT_COMMITS.end())
    }

    /// As many as end in time where `together` of them took so long.
    fn learn_depth(&self, together: usize, took: Duration) {
        let in_time = ENDED_IN_TIME.as_nanos() * together as u128 / took.as_nanos().max(1);
        self.depth.set(usize::try_from(in_time).unwrap_or(usize::MAX));
    }

    /// What is left of the rest behind the request that ended last.
    fn rest(&self) -> Option<Duration> {
        let rest = self.rests_until.get()? - millrace_rt::now();
        (!rest.is_zero()).then_some(rest)
    }

    fn brought(&self, bytes: u64) {
        self.credit.set((self.credit.get() + bytes).min(CREDIT_BYTES_MAX));
    }

    pub(crate) fn stats(&self) -> DiskClassStats {
        DiskClassStats { waits: self.waits.get(), wait_nanos: self.wait_nanos.get() }
    }
}

/// A request behind commits that is under way.
pub(crate) struct DiskTurn<'a> {
    classes: &'a DiskClasses,
    bytes: u64,
    begun: Moment,
    /// How many were under way when it began, itself too.
    together: usize,
}

impl Drop for DiskTurn<'_> {
    fn drop(&mut self) {
        let classes = self.classes;
        let now = millrace_rt::now();
        let took = now - self.begun;
        classes.rests_until.set(Some(now + took));
        classes.learn_depth(self.together, took);
        classes.under_way.set(classes.under_way.get() - 1);
        classes.under_way_bytes.set(classes.under_way_bytes.get() - self.bytes);
        classes.changed.notify_all();
    }
}

/// Bytes on their way to a segment.
pub(crate) struct ExtentUnderWay<'a> {
    classes: &'a DiskClasses,
    bytes: u64,
}

impl Drop for ExtentUnderWay<'_> {
    fn drop(&mut self) {
        self.classes.extents.count.set(self.classes.extents.count.get() - 1);
        self.classes.extents.bytes.set(self.classes.extents.bytes.get() - self.bytes);
        self.classes.brought(self.bytes);
        self.classes.call_next_extent();
    }
}

/// An extent's place in line.
struct ExtentPlace<'a> {
    classes: &'a DiskClasses,
    number: u64,
}

impl ExtentPlace<'_> {
    fn is_first(&self) -> bool {
        self.classes.extents.line.borrow().front().is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for ExtentPlace<'_> {
    fn drop(&mut self) {
        self.classes.extents.line.borrow_mut().retain(|(number, _)| *number != self.number);
        self.classes.call_next_extent();
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
    const READERS: usize = 20;
    const READ_BYTES: u64 = 256 * 1024;

    /// The device alone decides when something happens.
    fn quick_turns() -> WorldOptions {
        WorldOptions { long_turn_one_in: None, ..WorldOptions::default() }
    }

    /// Writes of these sizes, which ask in this order; returns how many were under way together at
    /// most, and the order in which they began.
    fn extents_written(sizes: &'static [u64]) -> (u64, Vec<usize>) {
        #[derive(Default)]
        struct Seen {
            classes: DiskClasses,
            most: Cell<u64>,
            begun: RefCell<Vec<usize>>,
        }
        let mut world = World::new(1, quick_turns());
        let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
        let seen: Rc<Seen> = Rc::default();
        let (stage, done) = (Rc::clone(&seen), Rc::clone(&seen));
        world.start(node, 1, move |_| {
            let stage = Rc::clone(&stage);
            async move {
                for (number, &bytes) in sizes.iter().enumerate() {
                    let stage = Rc::clone(&stage);
                    spawn(async move {
                        // Tasks that are ready together run in any order.
                        sleep(SERVICE * number as u32).await;
                        stage.classes.extent_turn(|| bytes).await;
                        let _under_way = stage.classes.extent(bytes);
                        stage.begun.borrow_mut().push(number);
                        stage.most.set(stage.most.get().max(stage.classes.extents.bytes.get()));
                        sleep(50 * SERVICE).await;
                    });
                }
                // A shard ends with its main task.
                sleep(RUN).await;
            }
        });
        assert!(
            world.run_until(RUN, move || done.begun.borrow().len() == sizes.len()),
            "a write waits for ever"
        );
        (seen.most.get(), seen.begun.borrow().clone())
    }

    #[test]
    fn extent_writes_begin_in_their_order_and_are_so_many_bytes_at_most() {
        const KIB: u64 = 1024;
        let cases: [(&[u64], u64); 4] = [
            (&[100 * KIB; 40], 1500 * KIB),
            (&[600 * KIB; 6], 1800 * KIB),
            (&[1000 * KIB; 4], 3000 * KIB),
            // The small one does not pass the large one.
            (&[500 * KIB, 500 * KIB, 500 * KIB, 600 * KIB, KIB], 1600 * KIB),
        ];
        for (sizes, most) in cases {
            let in_order: Vec<usize> = (0..sizes.len()).collect();
            assert_eq!(extents_written(sizes), (most, in_order), "{sizes:?}");
        }
    }

    /// A device that serves one request after the other.
    #[derive(Default)]
    struct Device {
        free_at: Cell<Option<Moment>>,
    }

    impl Device {
        async fn serve(&self, bytes: u64) {
            let begins = self.free_at.get().map_or(now(), |free| free.max(now()));
            let ends = begins + SERVICE * bytes.div_ceil(READ_BYTES) as u32;
            self.free_at.set(Some(ends));
            millrace_rt::sleep_until(ends).await;
        }
    }

    #[derive(Default)]
    struct Seen {
        commits: Cell<u32>,
        reads: Cell<u32>,
        most_under_way: Cell<usize>,
        slowest_commit: Cell<Duration>,
    }

    #[derive(Default)]
    struct Stage {
        classes: DiskClasses,
        device: Device,
        seen: Seen,
    }

    /// Commits of these sizes, each with a pause behind the one before.
    #[derive(Clone, Copy)]
    struct Commits {
        pause: Duration,
        bytes: u64,
    }

    /// Commits beside readers that always want more.
    async fn run(stage: Rc<Stage>, read_bytes: u64, commits: Option<Commits>) {
        let end = now() + RUN;
        for _ in 0..READERS {
            let stage = Rc::clone(&stage);
            spawn(async move {
                while now() < end {
                    let _turn = stage.classes.turn(read_bytes).await;
                    let seen = &stage.seen;
                    seen.most_under_way.set(seen.most_under_way.get().max(stage.classes.under_way.get()));
                    stage.device.serve(read_bytes).await;
                    seen.reads.set(seen.reads.get() + 1);
                }
            });
        }
        let Some(Commits { pause, bytes }) = commits else { return sleep(RUN).await };
        // The first commit finds what was under way before anybody knew of it.
        let mut is_first = true;
        while now() < end {
            let begun = now();
            stage.classes.commit_begins(bytes);
            stage.device.serve(bytes).await;
            stage.classes.commit_ended(bytes, now());
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

    fn play(read_bytes: u64, commits: Option<Commits>) -> Rc<Stage> {
        let stage = Rc::new(Stage::default());
        let mut world = World::new(3, quick_turns());
        let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
        let played = Rc::clone(&stage);
        world.start(node, 1, move |_| run(Rc::clone(&played), read_bytes, commits));
        world.run_for(2 * RUN);
        stage
    }

    #[test]
    fn a_commit_waits_for_one_read_at_most_and_reads_go_on() {
        // The pause between commits, and how many reads there must be for each:
        // at most half of the pause is theirs.
        for (pause_us, reads_each) in [(0, 0.45), (100, 0.9), (1_000, 2.0), (20_000, 45.0)] {
            let commits = Commits { pause: Duration::from_micros(pause_us), bytes: READ_BYTES };
            let stage = play(READ_BYTES, Some(commits));
            let (commits, reads) = (stage.seen.commits.get(), stage.seen.reads.get());
            let slowest = stage.seen.slowest_commit.get();
            assert!(slowest <= 2 * SERVICE + SERVICE / 10, "pause of {pause_us} us: {slowest:?}");
            assert!(
                f64::from(reads) >= reads_each * f64::from(commits),
                "pause of {pause_us} us: {reads} reads beside {commits} commits"
            );
            let between = Duration::from_micros(pause_us) * commits;
            assert!(
                SERVICE * reads <= between / 2 + SERVICE * commits,
                "pause of {pause_us} us: {reads} reads"
            );
            assert!(stage.classes.stats().waits > 0 && stage.classes.stats().wait_nanos > 0);
        }
    }

    #[test]
    fn reads_have_their_part_beside_commits_of_many_bytes() {
        for pages in [4, 16] {
            let stage = play(READ_BYTES, Some(Commits { pause: Duration::ZERO, bytes: pages * READ_BYTES }));
            let (commits, reads) = (stage.seen.commits.get(), stage.seen.reads.get());
            let beside = pages as u32 / PART_BEHIND as u32;
            assert!(reads >= (commits - 2) * beside, "{pages} pages: {reads} reads beside {commits} commits");
            let most = SERVICE * (pages as u32 + beside + 1);
            let slowest = stage.seen.slowest_commit.get();
            assert!(slowest <= most + SERVICE / 10, "{pages} pages: {slowest:?}");
        }
    }

    #[test]
    fn reads_beside_extent_are_paid_for_by_what_it_brought() {
        let mut world = World::new(3, quick_turns());
        let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
        let seen = Rc::new(Cell::new(None));
        let sees = Rc::clone(&seen);
        world.start(node, 1, move |_| {
            let sees = Rc::clone(&sees);
            async move {
                let classes = DiskClasses::default();
                let _alone = classes.turn(READ_BYTES).await;
                classes.commit_begins(READ_BYTES);
                let without = classes.may_begin(READ_BYTES);
                let extent = classes.extent(3 * READ_BYTES);
                let unpaid = classes.may_begin(READ_BYTES);
                drop(classes.extent(READ_BYTES));
                let beside = classes.may_begin(READ_BYTES);
                drop(extent);
                sees.set(Some([without, unpaid, beside, classes.may_begin(READ_BYTES)]));
            }
        });
        world.run_for(RUN);
        assert_eq!(seen.get(), Some([false, false, true, false]));
    }

    #[test]
    fn without_commits_the_device_is_kept_at_its_rate() {
        // Pages a read, and how many reads end in time.
        for (pages, depth) in [(1, 10), (2, 5), (3, 4), (20, 4)] {
            let stage = play(pages * READ_BYTES, None);
            let (reads, service) = (stage.seen.reads.get(), SERVICE * pages as u32);
            assert!(service * reads >= RUN * 9 / 10, "{pages} pages: {reads} reads");
            assert_eq!(stage.seen.most_under_way.get(), depth, "{pages} pages");
        }
    }
}
