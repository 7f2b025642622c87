//! What every figure is given: the options, the brokers, the report.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::options::SuiteOptions;
use crate::broker::{Kafka, Millrace, MillraceSettings, Process, Rings};
use crate::client::{Connection, NewTopic, create_topics};
use crate::error::ClientError;
use crate::measure::Report;

/// Rounds of the quick run: enough for a table, too few for a verdict on latency.
const QUICK_ROUNDS: usize = 2;
const QUICK_SLICE: Duration = Duration::from_millis(300);

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// A minute in all, on a machine that others use too.
    Quick,
}

impl Scale {
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Scale::Full => full,
            Scale::Quick => quick,
        }
    }
}

pub(crate) struct Rig {
    pub(crate) scale: Scale,
    /// How long one subject is measured in one round.
    pub(crate) slice: Duration,
    pub(crate) rounds: usize,
    /// Where probes and brokers keep their files.
    pub(crate) dir: PathBuf,
    pub(crate) millrace: Option<MillraceSettings>,
    pub(crate) kafka: Option<Kafka>,
    pub(crate) report: Report,
}

/// A topic of a broker that a comparison loads.
#[derive(Debug, Clone)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    pub(crate) configs: &'static [(&'static str, &'static str)],
}

impl Contender {
    pub(crate) fn of(
        broker: &Millrace,
        name: &'static str,
        configs: &'static [(&'static str, &'static str)],
    ) -> Contender {
        Contender { name, address: broker.address, process: broker.process(), configs }
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32) -> Result<(), ClientError> {
        let mut connection = Connection::open(self.address)?;
        create_topics(&mut connection, &[NewTopic::new(topic, partitions).with(self.configs)])
    }
}

pub(crate) const POWER: &[(&str, &str)] = &[("millrace.durability", "power")];
pub(crate) const PROCESS: &[(&str, &str)] = &[("millrace.durability", "process")];
pub(crate) const MILLRACE_POWER: &str = "millrace power";
pub(crate) const MILLRACE_PROCESS: &str = "millrace process";
pub(crate) const KAFKA_DEFAULT: &str = "kafka default";

impl Rig {
    pub(crate) fn new(options: &SuiteOptions, dir: PathBuf, rings: &Rings, kafka: Option<Kafka>) -> Rig {
        let settings = |program: &PathBuf| MillraceSettings {
            program: program.clone(),
            dir: dir.clone(),
            shards: options.shards,
            memory_mib: options.memory,
            arguments: rings.arguments(),
        };
        let scale = if options.quick { Scale::Quick } else { Scale::Full };
        Rig {
            scale,
            slice: scale.pick(options.slice(), options.slice().min(QUICK_SLICE)),
            rounds: scale.pick(options.rounds, options.rounds.min(QUICK_ROUNDS)).max(1),
            millrace: options.millrace.as_ref().map(settings),
            kafka,
            report: Report::default(),
            dir,
        }
    }

    /// Settings for a broker of a figure that measures Millrace alone.
    pub(crate) fn settings(&self, figure: &str) -> Result<MillraceSettings, ClientError> {
        let settings = self.millrace.as_ref();
        settings.ok_or_else(|| ClientError::Usage("no --millrace was given".to_owned()))?.fresh(figure)
    }

    /// A running Millrace with an empty data directory, if one was asked for.
    pub(crate) fn start_millrace(&self, figure: &str) -> Result<Option<Millrace>, ClientError> {
        match &self.millrace {
            None => Ok(None),
            Some(settings) => Millrace::start(&settings.fresh(figure)?).map(Some),
        }
    }

    /// Who is compared: Millrace at both durabilities, Kafka at its default.
    pub(crate) fn contenders(&self, millrace: Option<&Millrace>) -> Vec<Contender> {
        let mut contenders = Vec::new();
        if let Some(broker) = millrace {
            contenders.push(Contender::of(broker, MILLRACE_POWER, POWER));
            contenders.push(Contender::of(broker, MILLRACE_PROCESS, PROCESS));
        }
        if let Some(kafka) = &self.kafka {
            let (address, process) = (kafka.address, kafka.process);
            contenders.push(Contender { name: KAFKA_DEFAULT, address, process, configs: &[] });
        }
        contenders
    }
}
