//! The commands `record`, `compare` and `list`.
#![expect(clippy::print_stdout, reason = "the commands' results are their output")]

use crate::answers::{Wanted, differences, print_recording};
use crate::case::{Case, parse_cases};
use crate::codec::Protocol;
use crate::files;
use crate::run::{Entry, Target, run_case};
use std::path::Path;

/// Share of equal cases, in percent, below which `compare` fails.
const PARITY_PERCENT_MIN: usize = 98;
/// Lines shown of one case; the first name the cause.
const LINES_MAX: usize = 20;
/// Kafka makes the topic of its group coordinators at their first use, and says for a moment that there are none.
const WARM_UP: &str = "case warm-up
  FindCoordinator 4 {keyType: 0, coordinatorKeys: [any]}
  until coordinators.0.errorCode = 0";

/// Which cases `compare` prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    Differing,
    Every,
}

pub(crate) fn record(bootstrap: &str, chosen: &[String]) -> Result<bool, String> {
    let protocol = Protocol::load(&files::schema_folder())?;
    let target = Target { protocol: &protocol, bootstrap };
    warm_up(&target)?;
    let mut failed = 0;
    for mut subject in files::read_subjects()? {
        let mut recorded = 0;
        for case in subject.cases.iter().filter(|case| is_chosen(case, chosen)) {
            match run_case(&target, case) {
                Ok(entries) => {
                    recorded += 1;
                    subject.recording.insert(case.name.clone(), entries);
                }
                Err(reason) => {
                    failed += 1;
                    println!("{}: {reason}", case.name);
                }
            }
        }
        if recorded > 0 {
            let answers = |case: &Case| subject.recording.get_key_value(&case.name);
            let answers = subject.cases.iter().filter_map(answers).map(|(n, e)| (n.as_str(), e.as_slice()));
            files::write_recording(&subject.name, &print_recording(&subject.name, answers))?;
            println!("{}: {recorded} recorded", subject.name);
        }
    }
    Ok(failed == 0)
}

pub(crate) fn compare(
    bootstrap: &str,
    chosen: &[String],
    listing: Listing,
    compatibility: Option<&Path>,
) -> Result<bool, String> {
    let protocol = Protocol::load(&files::schema_folder())?;
    let target = Target { protocol: &protocol, bootstrap };
    warm_up(&target)?;
    let default_document = files::compatibility_document();
    let wanted = Wanted::parse(&files::read_document(compatibility.unwrap_or(&default_document)));
    let mut tally = Tally::default();
    for subject in files::read_subjects()? {
        for case in subject.cases.iter().filter(|case| is_chosen(case, chosen)) {
            let recorded = subject.recording.get(&case.name).map(Vec::as_slice);
            let lines = case_differences(&target, case, recorded);
            tally.add(case, &lines, wanted.reason(&case.name), listing);
        }
    }
    if chosen.is_empty() {
        for name in wanted.stale(&tally.differing) {
            println!("note: {name} is listed as a difference, but is none");
        }
    }
    println!("parity: {} of {}", tally.equal, tally.total);
    println!("{} passed, {} failed", tally.total - tally.failed, tally.failed);
    let enough = tally.equal * 100 >= tally.total * PARITY_PERCENT_MIN;
    Ok(tally.failed == 0 && enough && tally.total > 0)
}

pub(crate) fn list() -> Result<bool, String> {
    let subjects = files::read_subjects()?;
    for case in subjects.iter().flat_map(|subject| &subject.cases) {
        println!("{}", case.name);
    }
    for subject in &subjects {
        println!("{} {}", subject.cases.len(), subject.name);
    }
    println!("{} cases", subjects.iter().map(|subject| subject.cases.len()).sum::<usize>());
    Ok(true)
}

/// Also shows early that nothing listens.
fn warm_up(target: &Target<'_>) -> Result<(), String> {
    for case in parse_cases(WARM_UP).map_err(|e| e.to_string())? {
        run_case(target, &case)?;
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    total: usize,
    equal: usize,
    failed: usize,
    differing: Vec<String>,
}

impl Tally {
    fn add(&mut self, case: &Case, lines: &[String], wanted: Option<&str>, listing: Listing) {
        self.total += 1;
        let name = &case.name;
        if lines.is_empty() {
            self.equal += 1;
            if listing == Listing::Every {
                println!("equal    {name}");
            }
            return;
        }
        self.differing.push(name.clone());
        match wanted {
            Some(reason) if listing == Listing::Every => println!("wanted   {name}: {reason}"),
            Some(_) => return,
            None => {
                self.failed += 1;
                println!("differs  {name}");
            }
        }
        lines.iter().take(LINES_MAX).for_each(|line| println!("    {line}"));
        if lines.len() > LINES_MAX {
            println!("    and {} more", lines.len() - LINES_MAX);
        }
    }
}

fn case_differences(target: &Target<'_>, case: &Case, recorded: Option<&[Entry]>) -> Vec<String> {
    let Some(recorded) = recorded else { return vec!["Kafka's answer is not recorded".to_owned()] };
    match run_case(target, case) {
        Ok(here) => differences(recorded, &here),
        Err(reason) => vec![reason],
    }
}

fn is_chosen(case: &Case, chosen: &[String]) -> bool {
    chosen.is_empty() || chosen.iter().any(|start| case.name.starts_with(start.as_str()))
}
