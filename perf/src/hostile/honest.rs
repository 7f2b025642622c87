//! An honest client beside hostile peers: its latency alone and beside them in turns,
//! and the memory of the broker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::peer::Reaction;
use crate::broker::Millrace;
use crate::client::{Connection, NewTopic, Produce, create_topics};
use crate::clock;
use crate::error::ClientError;
use crate::measure::{Latencies, Table, Verdict};
use crate::probe::Pace;
use crate::seat::{Seated, seats};
use crate::suite::{Rig, VALUE_BYTES, one_record_each};

const TOPIC: &str = "honest";
/// As a client that has something to say now and then.
const EVERY: Duration = Duration::from_millis(2);
/// Slices of one turn.
const SLICES: u32 = 2;
/// Peers that are not there by then do not come.
const THERE_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How much slower the honest client may get, and how slow without anybody noticing: on a machine that others
/// use too, a quick run tells a broker that stalls from one that does not.
const SLOWER_LIMIT: f64 = 2.0;
const UNNOTICED_QUICK: Duration = Duration::from_secs(2);
/// Of the memory's budget.
const MEMORY_SHARE: f64 = 1.1;

/// What hostile peers know, and tell.
pub(super) struct Attack {
    pub(super) address: SocketAddr,
    there: AtomicBool,
    over: AtomicBool,
    answered: AtomicU64,
    closed: AtomicU64,
    silent: AtomicU64,
}

impl Attack {
    fn new(address: SocketAddr) -> Attack {
        let (there, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let [answered, closed, silent] = [const { AtomicU64::new(0) }; 3];
        Attack { address, there, over, answered, closed, silent }
    }

    /// The peers are where they can do harm: the honest client begins.
    pub(super) fn begins(&self) {
        self.there.store(true, Ordering::Release);
    }

    pub(super) fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Acquire)
    }

    pub(super) fn note(&self, reaction: Reaction) {
        let count = match reaction {
            Reaction::Answered => &self.answered,
            Reaction::Closed => &self.closed,
            Reaction::Silent => &self.silent,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the peers of one kind do in one turn, on a thread of their own, until it is over.
pub(super) type Course<'a> = &'a (dyn Fn(&Attack) -> Result<(), ClientError> + Sync);

/// A broker for one kind of peers, with the honest client's topic.
pub(super) fn broker(rig: &Rig, name: &str) -> Result<Millrace, ClientError> {
    let broker = Millrace::start(&rig.settings(name)?)?;
    let mut connection = Connection::open(broker.address)?;
    create_topics(&mut connection, &[NewTopic::new(TOPIC, 1)])?;
    Ok(broker)
}

/// Turns of the honest client, alone and beside the peers; then the verdicts on latency,
/// memory and what the peers got.
pub(super) fn beside(
    rig: &mut Rig,
    broker: Millrace,
    peers: &str,
    course: Course<'_>,
) -> Result<(), ClientError> {
    let bound = broker.process().bound_threads();
    let free: Vec<usize> = seats()?.into_iter().filter(|cpu| !bound.contains(cpu)).collect();
    // On a machine with no processor left beside the shards everybody goes where there is room.
    let _seated = Seated::among(&free)?;
    let mut honest = Produce::new(broker.address, one_record_each(TOPIC, 1, VALUE_BYTES)?)?;
    let length = rig.slice * SLICES;
    let mut turn = || Pace::Every(EVERY).run(length, || honest.once()).map(|taken| Latencies::of(&taken));
    turn()?;
    let attack = Attack::new(broker.address);
    let (mut alone, mut during) = (Vec::new(), Vec::new());
    for _ in 0..rig.rounds {
        alone.push(turn()?);
        during.push(beside_peers(&attack, course, &mut turn)?);
    }
    let (alone, during) = (Latencies::merged(&alone), Latencies::merged(&during));
    let mut table = Table::of_latencies();
    table.latencies("honest client, alone", &alone);
    table.latencies(&format!("honest client, beside {peers}"), &during);
    rig.report.table(&table);
    let unnoticed = rig.scale.pick(Duration::ZERO, UNNOTICED_QUICK);
    let name = format!("honest p99 beside {peers}");
    rig.report.slowed_at_most(&name, (&alone, &during), SLOWER_LIMIT, unnoticed);
    let (peak, limit) = (broker.process().memory_peak()?, broker.settings.budget_megabytes(MEMORY_SHARE));
    rig.report.at_most(&format!("peak memory beside {peers}"), peak as f64 / 1e6, limit, " MB");
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (answered, closed, silent) = (count(&attack.answered), count(&attack.closed), count(&attack.silent));
    let served = honest.once().is_ok() && broker.process().is_alive();
    let verdict = Verdict::of(silent == 0 && answered + closed > 0 && served);
    let value =
        format!("{answered} answered, {closed} closed, {silent} forgotten; honest client served: {served}");
    rig.report.verdict(&format!("what became of {peers}"), verdict, &value, "none forgotten, honest served");
    if !served {
        rig.report.note(&broker.log_tail());
    }
    broker.kill()
}

fn beside_peers(
    attack: &Attack,
    course: Course<'_>,
    turn: &mut impl FnMut() -> Result<Latencies, ClientError>,
) -> Result<Latencies, ClientError> {
    attack.there.store(false, Ordering::Release);
    attack.over.store(false, Ordering::Release);
    thread::scope(|scope| {
        let peers = scope.spawn(|| course(attack));
        let patience = clock::now() + THERE_WITHIN;
        while !attack.there.load(Ordering::Acquire) && !peers.is_finished() && clock::now() < patience {
            clock::sleep(LOOK_EVERY);
        }
        let taken = turn();
        attack.over.store(true, Ordering::Release);
        peers.join().map_err(|_| ClientError::Usage("a hostile thread panicked".to_owned()))??;
        taken
    })
}
