//! The figures in their order, each on brokers of its own.

use std::env;
use std::path::PathBuf;

use super::bench::Bench;
use super::{hardening, hostile, many_partitions, one_in_flight, rounds, start, throughput};
use crate::broker::{Kafka, Process};
use crate::cli::FirstLight;
use crate::disk;
use crate::failure::Failure;
use crate::measure::{CpuMeter, Verdict, describe_machine};

/// Files that clients and brokers of the largest figure hold open.
const DESCRIPTORS: u64 = 16_384;

/// Whether a figure says something of Kafka alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Millrace,
    AnyBroker,
}

struct Figure {
    name: &'static str,
    title: &'static str,
    needs: Needs,
    quick: InQuickRun,
    take: fn(&mut Bench) -> Result<(), Failure>,
}

/// Comparisons of latency say nothing on a machine that others use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InQuickRun {
    Yes,
    No,
}

/// Whether every figure could be taken, inside its limits or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complete {
    Yes,
    No,
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "start",
        title: "start, memory and rest",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: start::take,
    },
    Figure {
        name: "one-in-flight",
        title: "one record of 1 KiB in flight, acks=all",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: one_in_flight::take,
    },
    Figure {
        name: "rounds",
        title: "one record to each of 100 partitions, in one request",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: rounds::take,
    },
    Figure {
        name: "hardening",
        title: "durable commits reach the device",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: hardening::take,
    },
    Figure {
        name: "many-partitions",
        title: "a record in each of many partitions beside a hot one",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: many_partitions::take,
    },
    Figure {
        name: "hostile",
        title: "peers that announce much and say nothing, or say anything",
        needs: Needs::Millrace,
        quick: InQuickRun::Yes,
        take: hostile::take,
    },
    Figure {
        name: "throughput",
        title: "batches of 64 KiB over 6 partitions, and back",
        needs: Needs::AnyBroker,
        quick: InQuickRun::No,
        take: throughput::take,
    },
];

/// Takes the figures that the options name.
pub(crate) fn run(options: &FirstLight) -> Result<Verdict, Failure> {
    let chosen = choose(options)?;
    let dir = directory(options)?;
    raise_descriptors();
    let kafka = match options.kafka {
        true => Some(Kafka::start(&options.kafka_script, &dir)?),
        false => None,
    };
    let mut bench = Bench::new(options, dir.clone(), kafka);
    bench.report.begin("machine", &describe_machine(&dir));
    let mut complete = Complete::Yes;
    for figure in chosen {
        bench.report.begin(figure.name, figure.title);
        let used = known_processor_seconds(&bench);
        let meter = CpuMeter::start();
        if let Err(failure) = (figure.take)(&mut bench) {
            bench.report.broken(figure.name, &failure);
            complete = Complete::No;
        }
        let used = known_processor_seconds(&bench) - used;
        let others = meter.busy_processors() - used / meter.elapsed().as_secs_f64();
        let seconds = meter.elapsed().as_secs_f64();
        bench
            .report
            .note(&format!("other processes used {others:.2} processors during these {seconds:.0} s"));
    }
    let Bench { mut report, kafka, .. } = bench;
    drop(kafka);
    match complete {
        Complete::Yes => disk::remove_dir(&dir)?,
        // Logs and data show why a figure could not be taken.
        Complete::No => report.note(&format!("logs and data are kept in {}", dir.display())),
    }
    report.finish(options.json.as_deref())
}

fn choose(options: &FirstLight) -> Result<Vec<&'static Figure>, Failure> {
    if let Some(unknown) = options.only.iter().find(|name| !FIGURES.iter().any(|f| f.name == name.as_str())) {
        let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        return Err(Failure::Usage(format!("no figure is named {unknown}; there are {}", names.join(", "))));
    }
    let wanted = |figure: &&Figure| {
        let named = options.only.iter().any(|name| name == figure.name);
        let possible = options.millrace.is_some() || (options.kafka && figure.needs == Needs::AnyBroker);
        let default = options.only.is_empty() && (!options.quick || figure.quick == InQuickRun::Yes);
        possible && (named || default)
    };
    let chosen: Vec<&Figure> = FIGURES.iter().filter(wanted).collect();
    match chosen.is_empty() {
        true => Err(Failure::Usage("nothing to measure; give --millrace FILE, or --kafka".to_owned())),
        false => Ok(chosen),
    }
}

/// A directory of this run alone, beside the program if none was named: that is a real disk, unlike /tmp on many machines.
fn directory(options: &FirstLight) -> Result<PathBuf, Failure> {
    let program = env::current_exe().map_err(Failure::io("looking for this program"))?;
    let beside = program.parent().map(PathBuf::from).unwrap_or_default();
    let dir = options.dir.clone().unwrap_or(beside).join(format!("first-light-{}", std::process::id()));
    disk::create_dir(&dir)?;
    Ok(dir)
}

/// Connections by the thousand need descriptors; what the system refuses shows when they are opened.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _as_many_as_allowed = setrlimit(Resource::RLIMIT_NOFILE, soft.max(DESCRIPTORS.min(hard)), hard);
    }
}

/// Of this tool with the brokers it ended, and of Kafka.
fn known_processor_seconds(bench: &Bench) -> f64 {
    let tool = Process { id: std::process::id() };
    let kafka = bench.kafka.as_ref().map(|kafka| kafka.process);
    let known = [Some(tool), kafka].into_iter().flatten();
    known.filter_map(|process| process.cpu_time().ok()).map(|time| time.as_secs_f64()).sum()
}
