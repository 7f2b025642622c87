//! The phases of the command: the loads that run at once, and what they gave.

use serde_json::Value;

use super::options::{BenchOptions, Mode};
use super::progress::{Lines, Seconds};
use super::target::Target;
use crate::client::Dialect;
use crate::error::ClientError;
use crate::load::{
    AtEnd, BatchShape, ConsumeLoad, Counted, Group, Outcome, ProduceLoad, Run, records_in_batch,
};

/// The consumer beside producers is one connection.
const READERS_BESIDE: usize = 1;

/// Its parts in the order of the outcome's tallies.
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) parts: Vec<&'static str>,
    pub(super) outcome: Outcome,
    /// What was counted in each second.
    pub(super) seconds: Vec<Value>,
}

/// What runs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Produce,
    Consume,
    Both,
}

impl Load {
    fn parts(self) -> Vec<&'static str> {
        match self {
            Load::Produce => vec!["produce"],
            Load::Consume => vec!["consume"],
            Load::Both => vec!["produce", "consume"],
        }
    }
}

/// Runs what the mode asks for, one phase after another.
pub(super) fn run_all(
    options: &BenchOptions,
    target: &mut Target,
    lines: Lines,
) -> Result<Vec<Phase>, ClientError> {
    let phases: &[(&str, Load)] = match options.mode() {
        Mode::Produce => &[("produce", Load::Produce)],
        Mode::Consume => &[("consume", Load::Consume)],
        Mode::Mixed => &[("produce alone", Load::Produce), ("beside a reader", Load::Both)],
    };
    phases.iter().map(|(name, load)| run_one(name, *load, options, target, lines)).collect()
}

fn run_one(
    name: &'static str,
    load: Load,
    options: &BenchOptions,
    target: &mut Target,
    lines: Lines,
) -> Result<Phase, ClientError> {
    let dialect = target.connection.dialect();
    let mut groups = Vec::new();
    if load != Load::Consume {
        let load = produce_load(options, &target.topic, dialect);
        groups.push(Group::producers(&load, &target.leaders, options.connections, options.threads())?);
    }
    if load != Load::Produce {
        groups.push(consumers(load, options, target, dialect)?);
    }
    let run = Run { groups, span: options.span(), process: target.process };
    let mut seconds = Seconds { lines, values: Vec::new() };
    let outcome = run.measure(&mut seconds)?;
    Ok(Phase { name, parts: load.parts(), outcome, seconds: seconds.values })
}

fn produce_load<'a>(options: &BenchOptions, topic: &'a str, dialect: Dialect) -> ProduceLoad<'a> {
    ProduceLoad {
        topic,
        dialect,
        shape: BatchShape {
            value_bytes: options.record_size,
            records: records_in_batch(options.record_size, options.batch_size),
        },
        partitions_each: options.batches_per_request,
        acks: options.acks(),
        in_flight: options.in_flight,
        rate: options.rate,
    }
}

fn consumers(
    load: Load,
    options: &BenchOptions,
    target: &mut Target,
    dialect: Dialect,
) -> Result<Group, ClientError> {
    let ranges = target.ranges()?;
    if ranges.iter().all(|(begin, end)| begin >= end) {
        return Err(ClientError::Usage(format!("{} holds no records to read", target.topic)));
    }
    let consume = ConsumeLoad {
        topic: &target.topic,
        dialect,
        fetch_bytes: options.fetch_size,
        at_end: AtEnd::Rewind,
        counted: Counted::Batches,
        ranges: &ranges,
    };
    let connections = if load == Load::Both { READERS_BESIDE } else { options.connections };
    Group::consumers(&consume, &target.leaders, connections, options.threads())
}
