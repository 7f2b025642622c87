//! A suite: its figures are taken one after another, what fails is reported, the end is a verdict.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use super::options::SuiteOptions;
use super::rig::Rig;
use super::topic::warm_up;
use crate::broker::{Kafka, Process, Rings};
use crate::disk;
use crate::error::ClientError;
use crate::measure::{CpuMeter, Verdict, describe_machine};

/// Files that clients and brokers of the largest figure hold open.
const DESCRIPTORS: u64 = 16_384;

/// Kafka's first seconds are several times slower than all others; this long it produces, and consumes.
const KAFKA_WARM_UP: Duration = Duration::from_secs(5);

/// Figures in their order.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) figures: &'static [Figure],
}

/// Whether a figure says something of Kafka alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Millrace,
    AnyBroker,
}

/// One subject of a suite, on brokers of its own.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) needs: Needs,
    pub(crate) quick: InQuickRun,
    pub(crate) take: fn(&mut Rig) -> Result<(), ClientError>,
}

/// Comparisons of latency say nothing on a machine that others use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InQuickRun {
    Yes,
    No,
}

/// Whether every figure could be taken, inside its limits or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complete {
    Yes,
    No,
}

/// Takes the figures that the options name.
pub(crate) fn run(suite: &Suite, options: &SuiteOptions) -> Result<Verdict, ClientError> {
    let chosen = choose(suite, options)?;
    let dir = directory(suite, options)?;
    raise_descriptors();
    let kafka = match options.kafka {
        true => Some(Kafka::start(&options.kafka_script, &dir)?),
        false => None,
    };
    let rings = Rings::new();
    let mut rig = Rig::new(options, dir.clone(), &rings, kafka);
    rig.report.begin("machine", &describe_machine(&dir));
    for contender in rig.contenders(None) {
        warm_up(&contender, KAFKA_WARM_UP)?;
    }
    let mut complete = Complete::Yes;
    for figure in chosen {
        rig.report.begin(figure.name, figure.title);
        let used = known_processor_seconds(&rig);
        let meter = CpuMeter::start();
        match (figure.take)(&mut rig) {
            // The next figure needs the room.
            Ok(()) => disk::remove_dir(&dir.join(figure.name))?,
            Err(failure) => {
                rig.report.broken(figure.name, &failure);
                complete = Complete::No;
            }
        }
        let used = known_processor_seconds(&rig) - used;
        let others = meter.busy_processors() - used / meter.elapsed().as_secs_f64();
        let seconds = meter.elapsed().as_secs_f64();
        rig.report.note(&format!("other processes used {others:.2} processors during these {seconds:.0} s"));
    }
    let Rig { mut report, kafka, .. } = rig;
    drop(kafka);
    match complete {
        Complete::Yes => disk::remove_dir(&dir)?,
        // Logs and data show why a figure could not be taken.
        Complete::No => report.note(&format!("logs and data are kept in {}", dir.display())),
    }
    report.finish(options.json.as_deref())
}

fn choose(suite: &Suite, options: &SuiteOptions) -> Result<Vec<&'static Figure>, ClientError> {
    if let Some(unknown) =
        options.only.iter().find(|name| !suite.figures.iter().any(|f| f.name == name.as_str()))
    {
        let names: Vec<&str> = suite.figures.iter().map(|figure| figure.name).collect();
        return Err(ClientError::Usage(format!(
            "no figure is named {unknown}; there are {}",
            names.join(", ")
        )));
    }
    let wanted = |figure: &&Figure| {
        let named = options.only.iter().any(|name| name == figure.name);
        let possible = options.millrace.is_some() || (options.kafka && figure.needs == Needs::AnyBroker);
        let default = options.only.is_empty() && (!options.quick || figure.quick == InQuickRun::Yes);
        possible && (named || default)
    };
    let chosen: Vec<&Figure> = suite.figures.iter().filter(wanted).collect();
    match chosen.is_empty() {
        true => Err(ClientError::Usage("nothing to measure; give --millrace FILE, or --kafka".to_owned())),
        false => Ok(chosen),
    }
}

/// A directory of this run alone, beside the program if none was named: that is a real disk,
/// unlike /tmp on many machines.
fn directory(suite: &Suite, options: &SuiteOptions) -> Result<PathBuf, ClientError> {
    let program = env::current_exe().map_err(ClientError::io("looking for this program"))?;
    let beside = program.parent().map(PathBuf::from).unwrap_or_default();
    let dir = options.dir.clone().unwrap_or(beside).join(format!("{}-{}", suite.name, std::process::id()));
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
fn known_processor_seconds(rig: &Rig) -> f64 {
    let tool = Process { id: std::process::id() };
    let kafka = rig.kafka.as_ref().map(|kafka| kafka.process);
    let known = [Some(tool), kafka].into_iter().flatten();
    known.filter_map(|process| process.cpu_time().ok()).map(|time| time.as_secs_f64()).sum()
}
