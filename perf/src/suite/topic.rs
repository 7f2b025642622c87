//! The loads that suites put on a topic: records of 1 KiB in batches of 64 KiB.

use std::net::SocketAddr;
use std::time::Duration;

use super::rig::Contender;
use super::workload::{BATCH_RECORDS, VALUE_BYTES};
use crate::broker::Process;
use crate::client::{Acks, Connection, Dialect, log_ranges};
use crate::failure::Failure;
use crate::load::{
    AtEnd, BatchShape, ConsumeLoad, Counted, Group, Outcome, ProduceLoad, Quiet, Rate, Run, Span,
};

/// As many as keep a broker of one shard busy, with two partitions each.
const CONNECTIONS: usize = 3;
const PARTITIONS_EACH: usize = 2;
const IN_FLIGHT: usize = 4;
/// The default of consumers (`max.partition.fetch.bytes`).
const FETCH_BYTES: i32 = 1024 * 1024;
/// Before what counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// A whole topic is read within that.
const READ_WITHIN: Duration = Duration::from_secs(600);

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
    /// Three connections with four requests of two batches in flight.
    pub(crate) const FULL: Producers = Producers {
        connections: CONNECTIONS,
        partitions_each: PARTITIONS_EACH,
        in_flight: IN_FLIGHT,
        rate: Rate::Maximum,
    };
}

impl<'a> Topic<'a> {
    pub(crate) fn new(contender: &Contender, name: &'a str, partitions: i32) -> Topic<'a> {
        Topic { address: contender.address, process: contender.process, name, partitions }
    }

    /// Producers as fast as the broker answers, for that long.
    pub(crate) fn produce(&self, length: Duration) -> Result<Outcome, Failure> {
        self.run(vec![self.producers(Producers::FULL)?], length)
    }

    /// Reads all of it once.
    pub(crate) fn consume_once(&self) -> Result<Outcome, Failure> {
        let group = self.consumers(CONNECTIONS, AtEnd::Stop, &self.ranges()?)?;
        let span = Span { warm_up: Duration::ZERO, length: READ_WITHIN };
        Run { groups: vec![group], span, process: Some(self.process) }.measure(&mut Quiet)
    }

    /// These groups at once, for that long behind a warm-up.
    pub(crate) fn run(&self, groups: Vec<Group>, length: Duration) -> Result<Outcome, Failure> {
        let span = Span { warm_up: WARM_UP.min(length), length };
        Run { groups, span, process: Some(self.process) }.measure(&mut Quiet)
    }

    pub(crate) fn producers(&self, producers: Producers) -> Result<Group, Failure> {
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
    ) -> Result<Group, Failure> {
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
    pub(crate) fn ranges(&self) -> Result<Vec<(i64, i64)>, Failure> {
        log_ranges(&mut Connection::open(self.address)?, self.name, self.partitions)
    }

    fn leaders(&self) -> Vec<SocketAddr> {
        vec![self.address; usize::try_from(self.partitions).unwrap_or_default()]
    }
}
