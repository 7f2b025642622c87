//! The command from its options to its tables.
#![expect(clippy::print_stdout, reason = "the figures are what the command is for")]

use super::options::{BenchOptions, Mode};
use super::phase::{self, Phase};
use super::probes::Probes;
use super::progress::Lines;
use super::report;
use super::target::Target;
use crate::client::Acks;
use crate::disk;
use crate::error::ClientError;
use crate::load::Rate;
use crate::measure::Verdict;

/// Loads the broker as the options say, and prints what it gave. It fails if a load got no answer at all.
pub(crate) fn run(options: &BenchOptions) -> Result<Verdict, ClientError> {
    let mut target = Target::find(options)?;
    println!("{}", describe(options, &target));
    let lines = if options.quiet { Lines::Keep } else { Lines::Print };
    let phases = phase::run_all(options, &mut target, lines)?;
    let probes = options.probe.as_deref().map(Probes::take).transpose()?;
    println!();
    for table in report::tables(&phases, probes.as_ref()) {
        table.lines().iter().for_each(|line| println!("{line}"));
        println!();
    }
    notes(options, &phases, probes.as_ref()).iter().for_each(|note| println!("{note}"));
    if let Some(path) = &options.json {
        let value = report::value(options, &target, &phases, probes.as_ref());
        disk::write_text(path, &format!("{value:#}\n"))?;
    }
    let answered = phases.iter().all(|phase| phase.outcome.tallies.iter().all(|tally| tally.requests > 0));
    target.leave(options)?;
    Ok(Verdict::of(answered))
}

fn describe(options: &BenchOptions, target: &Target) -> String {
    let broker = target.process.map_or_else(String::new, |process| format!(" (process {})", process.id));
    let (topic, partitions) = (&target.topic, target.leaders.len());
    let load = match (options.mode(), options.rate) {
        (Mode::Consume, _) => "reading it again and again".to_owned(),
        (_, Rate::Maximum) => format!(
            "records of {} bytes in batches of {} at maximum rate",
            options.record_size, options.batch_size
        ),
        (_, Rate::RecordsPerSecond(rate)) => format!(
            "{rate} records a second of {} bytes in batches of {}",
            options.record_size, options.batch_size
        ),
    };
    let connections = options.connections;
    format!(
        "{}{broker}, topic {topic} of {partitions} partitions, {connections} connections: {load}",
        target.address
    )
}

fn notes(options: &BenchOptions, phases: &[Phase], probes: Option<&Probes>) -> Vec<String> {
    let mut notes: Vec<String> = probes.map(Probes::lines).unwrap_or_default();
    if options.mode() != Mode::Consume {
        notes.push(match options.rate {
            Rate::Maximum => format!(
                "closed loop: latencies are those of {} requests in flight on each connection",
                options.in_flight
            ),
            Rate::RecordsPerSecond(_) => "open loop: latencies count from the intended moments".to_owned(),
        });
    }
    if options.acks() == Acks::None {
        notes.push(
            "without acknowledgements a request counts as answered when the kernel has taken it".to_owned(),
        );
    }
    let unanswered: u64 =
        phases.iter().flat_map(|phase| &phase.outcome.tallies).map(|tally| tally.unanswered).sum();
    if unanswered > 0 {
        notes.push(format!(
            "{unanswered} requests had no answer in the end; they are in the latencies with the time \
             they waited"
        ));
    }
    if let [alone, beside] = phases {
        notes.extend(compare(alone, beside));
    }
    notes
}

/// Produce latencies beside a reader, against those without.
fn compare(alone: &Phase, beside: &Phase) -> Option<String> {
    let p99 = |phase: &Phase| Some(phase.outcome.tallies.first()?.latencies.at(0.99).as_secs_f64() * 1e3);
    let (alone, beside) = (p99(alone)?, p99(beside)?);
    Some(format!("produce p99: {alone:.2} ms alone, {beside:.2} ms beside a reader, {:.2}x", beside / alone))
}
