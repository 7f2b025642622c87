//! The loads that suites put on a topic: records of 1 KiB in batches of 64 KiB.

use std::net::SocketAddr;
use std::time::Duration;

use super::rig::Contender;
use super::workload::{BATCH_RECORDS, VALUE_BYTES, batch};
use crate::broker::Process;
use crate::client::{Acks, Connection, Dialect, Pipeline, delete_topics, log_ranges, produce_frame};
use crate::error::ClientError;
use crate::load::{
    AtEnd, BatchShape, ConsumeLoad, Counted, Group, Outcome, ProduceLoad, Quiet, Rate, Run, Span,
};

/// As many as keep a broker of one shard busy, with two partitions each.
const CONNECTIONS: usize = 3;
const PARTITIONS_EACH: usize = 2;
/// Two for each of six partitions: with few producers the answers' way and not the broker decides.
const FULL_CONNECTIONS: usize = 12;
/// The default of producers (`max.in.flight.requests.per.connection`).
const FULL_IN_FLIGHT: usize = 5;
/// Of the requests that fill a topic, and what their records are made from.
const FILL_IN_FLIGHT: usize = 8;
const FILL_SEED: u64 = 5;
/// The default of consumers (`max.partition.fetch.bytes`).
const FETCH_BYTES: i32 = 1024 * 1024;
/// Before what counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// A whole topic is read within that.
const READ_WITHIN: Duration = Duration::from_secs(600);

/// Loads a broker that was just started for a while and leaves nothing behind:
/// a JVM compiles what it runs often.
pub(crate) fn warm_up(contender: &Contender, length: Duration) -> Result<(), ClientError> {
    const NAME: &str = "warm-up";
    const PARTITIONS: i32 = 6;
    contender.create(NAME, PARTITIONS)?;
    let topic = Topic::new(contender, NAME, PARTITIONS);
    topic.produce(length)?;
    let readers = topic.consumers(CONNECTIONS, AtEnd::Rewind, &topic.ranges()?)?;
    topic.run(vec![readers], length)?;
    delete_topics(&mut Connection::open(contender.address)?, &[NAME])
}

/// A topic of a broker on this machine.
pub(crate) struct Topic<'a> {
    address: SocketAddr,
    process: Process,
    name: &'a str,
    partitions: i32,
}

/// How producers load it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Producers {
    pub(crate) connections: usize,
    pub(crate) partitions_each: usize,
    pub(crate) in_flight: usize,
    pub(crate) rate: Rate,
}

impl Producers {
    /// Twelve connections with five requests of a batch in flight.
    pub(crate) const FULL: Producers = Producers {
        connections: FULL_CONNECTIONS,
        partitions_each: 1,
        in_flight: FULL_IN_FLIGHT,
        rate: Rate::Maximum,
    };
    /// 50 MB/s, far from what broker or generator can do at most, a batch a request; so many in flight that
    /// intended moments are kept while the broker stalls for a while.
    pub(crate) const STEADY: Producers = Producers {
        connections: CONNECTIONS,
        partitions_each: 1,
        in_flight: 64,
        rate: Rate::RecordsPerSecond(50e6 / VALUE_BYTES as f64),
    };
}

impl<'a> Topic<'a> {
    pub(crate) fn new(contender: &Contender, name: &'a str, partitions: i32) -> Topic<'a> {
        Topic { address: contender.address, process: contender.process, name, partitions }
    }

    /// Producers as fast as the broker answers, for that long.
    pub(crate) fn produce(&self, length: Duration) -> Result<Outcome, ClientError> {
        self.run(vec![self.producers(Producers::FULL)?], length)
    }

    /// So many bytes of values at least, the same number of batches to each partition but one.
    pub(crate) fn fill(&self, bytes: u64) -> Result<(), ClientError> {
        self.fill_and(bytes, || Ok(())).map(drop)
    }

    /// As `fill`, with `then` before the last answers are waited for: the bytes acknowledged by then.
    pub(crate) fn fill_and(
        &self,
        bytes: u64,
        then: impl FnOnce() -> Result<(), ClientError>,
    ) -> Result<u64, ClientError> {
        let payload = batch(BATCH_RECORDS, FILL_SEED);
        let all: Vec<i32> = (0..self.partitions).collect();
        let frame = |part: &[i32]| {
            let batches: Vec<_> = part.iter().map(|partition| (*partition, payload.clone())).collect();
            produce_frame(self.name, &batches)
        };
        let frames = all.chunks(PARTITIONS_EACH).map(frame).collect::<Result<Vec<_>, _>>()?;
        let mut pipeline = Pipeline::new(self.address, frames, FILL_IN_FLIGHT)?;
        let request_bytes = (PARTITIONS_EACH * BATCH_RECORDS * VALUE_BYTES) as u64;
        let mut acknowledged = 0;
        while acknowledged < bytes {
            pipeline.step()?;
            acknowledged += request_bytes;
        }
        then()?;
        // Whoever ended the broker gets no more answers.
        let _rest = pipeline.finish();
        Ok(acknowledged)
    }

    /// Reads all of it once.
    pub(crate) fn consume_once(&self) -> Result<Outcome, ClientError> {
        self.run_out(vec![self.consumers(CONNECTIONS, AtEnd::Stop, &self.ranges()?)?])
    }

    /// These groups from the first request on, until they stop by themselves.
    pub(crate) fn run_out(&self, groups: Vec<Group>) -> Result<Outcome, ClientError> {
        let span = Span { warm_up: Duration::ZERO, length: READ_WITHIN };
        Run { groups, span, process: Some(self.process) }.measure(&mut Quiet)
    }

    /// These groups at once, for that long behind a warm-up.
    pub(crate) fn run(&self, groups: Vec<Group>, length: Duration) -> Result<Outcome, ClientError> {
        let span = Span { warm_up: WARM_UP.min(length), length };
        Run { groups, span, process: Some(self.process) }.measure(&mut Quiet)
    }

    pub(crate) fn producers(&self, producers: Producers) -> Result<Group, ClientError> {
        let load = ProduceLoad {
            topic: self.name,
            dialect: Dialect::NEWEST,
            shape: BatchShape { value_bytes: VALUE_BYTES, records: BATCH_RECORDS },
            partitions_each: producers.partitions_each,
            acks: Acks::All,
            in_flight: producers.in_flight,
            rate: producers.rate,
        };
        Group::producers(&load, &self.leaders(), producers.connections, 1)
    }

    /// Consumers of these offsets.
    pub(crate) fn consumers(
        &self,
        connections: usize,
        at_end: AtEnd,
        ranges: &[(i64, i64)],
    ) -> Result<Group, ClientError> {
        let load = ConsumeLoad {
            topic: self.name,
            dialect: Dialect::NEWEST,
            fetch_bytes: FETCH_BYTES,
            at_end,
            counted: Counted::Values(VALUE_BYTES),
            ranges,
        };
        Group::consumers(&load, &self.leaders(), connections, 1)
    }

    /// The first offset and the end of each partition.
    pub(crate) fn ranges(&self) -> Result<Vec<(i64, i64)>, ClientError> {
        log_ranges(&mut Connection::open(self.address)?, self.name, self.partitions)
    }

    fn leaders(&self) -> Vec<SocketAddr> {
        vec![self.address; usize::try_from(self.partitions).unwrap_or_default()]
    }
}
