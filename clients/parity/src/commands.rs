//! The commands `record`, `compare` and `list`.
#![expect(clippy::print_stdout, reason = "the commands' results are their output")]

use crate::answers::{Unserved, Wanted, differences, print_recording};
use crate::case::{Case, parse_cases};
use crate::codec::Protocol;
use crate::files;
use crate::run::{Entry, Target, run_case};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Share of equal cases, in percent, below which `compare` fails.
const PARITY_PERCENT_MIN: usize = 98;
/// Lines shown of one case; the first name the cause.
const LINES_MAX: usize = 20;
/// Kafka makes the topic of its group coordinators at their first use,
/// and says for a moment that there are none.
const WARM_UP: &str = "case warm-up
  FindCoordinator 4 {keyType: 0, coordinatorKeys: [any]}
  until coordinators.0.errorCode = 0";

/// Kafka's answers while the coordinators of a fresh broker load, one partition after another:
/// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR.
const NOT_SETTLED: [i64; 3] = [14, 15, 16];
/// How often a case is run until its coordinator is there.
const SETTLING_ATTEMPTS_MAX: usize = 20;
/// Between two of those.
const SETTLING: &str = "case settling
  pause 500";

/// Which cases `compare` prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    Differing,
    Every,
}

/// Which cases `compare` holds against the broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Those that `not-served.txt` does not name.
    Served,
    Every,
}

pub fn record(bootstrap: &str, chosen: &[String]) -> Result<bool, String> {
    let protocol = Protocol::load(&files::schema_folder())?;
    let target = Target::find(&protocol, bootstrap)?;
    warm_up(&target)?;
    let mut failed = 0;
    for mut subject in files::read_subjects()? {
        let mut recorded = 0;
        for case in subject.cases.iter().filter(|case| is_chosen(case, chosen)) {
            match run_settled(&target, case) {
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

pub fn compare(
    bootstrap: &str,
    chosen: &[String],
    (listing, judged): (Listing, Judged),
    compatibility: Option<&Path>,
) -> Result<bool, String> {
    let protocol = Protocol::load(&files::schema_folder())?;
    let target = Target::find(&protocol, bootstrap)?;
    warm_up(&target)?;
    let default_document = files::compatibility_document();
    let wanted = Wanted::parse(&files::read_document(compatibility.unwrap_or(&default_document)));
    let unserved = match judged {
        Judged::Served => Unserved::parse(&files::read_document(&files::not_served_list())),
        Judged::Every => Unserved::none(),
    };
    let mut tally = Tally::default();
    for subject in files::read_subjects()? {
        for case in subject.cases.iter().filter(|case| is_chosen(case, chosen)) {
            let recorded = subject.recording.get(&case.name).map(Vec::as_slice);
            let lines = case_differences(&target, case, recorded);
            if let Some(line) = unserved.line_of(&case.name) {
                tally.add_unserved(line, &lines, recorded);
                continue;
            }
            tally.add(case, &lines, wanted.reason(&case.name), listing);
        }
    }
    if chosen.is_empty() {
        for name in wanted.stale(&tally.differing) {
            println!("note: {name} is listed as a difference, but is none");
        }
    }
    tally.report_unserved();
    println!("parity: {} of {}", tally.equal, tally.total);
    println!("{} passed, {} failed", tally.total - tally.failed, tally.failed);
    let enough = tally.equal * 100 >= tally.total * PARITY_PERCENT_MIN;
    Ok(tally.failed == 0 && enough && tally.total + tally.unserved > 0)
}

pub fn list() -> Result<bool, String> {
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

/// As `run_case`, again as long as a coordinator is not there yet, or an answer came after its time.
fn run_settled(target: &Target<'_>, case: &Case) -> Result<Vec<Entry>, String> {
    for _ in 1..SETTLING_ATTEMPTS_MAX {
        let result = run_case(target, case);
        let unsettled = match &result {
            Ok(entries) => entries.iter().any(|entry| is_unsettled(&entry.answer)),
            Err(reason) => NOT_SETTLED.iter().any(|code| reason.contains(&format!("\"errorCode\":{code},"))),
        };
        if !unsettled {
            return result;
        }
        for pause in parse_cases(SETTLING).map_err(|e| e.to_string())? {
            run_case(target, &pause)?;
        }
    }
    run_case(target, case)
}

fn is_unsettled(answer: &Value) -> bool {
    match answer {
        Value::Array(elements) => elements.iter().any(is_unsettled),
        // An answer to an earlier request, which was given up.
        Value::Object(members) if members.contains_key("instead") => true,
        Value::Object(members) => members.iter().any(|(name, member)| match member.as_i64() {
            Some(code) => name == "errorCode" && NOT_SETTLED.contains(&code),
            None => is_unsettled(member),
        }),
        _ => false,
    }
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
    /// Cases that `not-served.txt` names.
    unserved: usize,
    /// How many of them, by the line that names them, are answered as Kafka does after all.
    served: BTreeMap<String, usize>,
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

    /// A connection that is closed says nothing: both sides do so for what they do not know.
    fn add_unserved(&mut self, line: &str, lines: &[String], recorded: Option<&[Entry]>) {
        self.unserved += 1;
        let closed = Value::from("closed");
        let says_something = recorded.is_some_and(|entries| entries.iter().any(|e| e.answer != closed));
        if lines.is_empty() && says_something {
            *self.served.entry(line.to_owned()).or_default() += 1;
        }
    }

    /// What is served must be judged, so that nobody forgets it in the list.
    fn report_unserved(&mut self) {
        for (line, count) in &self.served {
            println!(
                "served   {line}: {count} cases are answered as Kafka does; take it out of not-served.txt"
            );
        }
        self.total += self.served.len();
        self.failed += self.served.len();
        if self.unserved > 0 {
            println!("not served yet: {} cases", self.unserved);
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn coordinators_that_are_not_there_yet_are_seen_anywhere() {
        let answer = |code: i64| json!({"errorCode": 0, "groups": [{"errorCode": 0}, {"errorCode": code}]});
        assert!(is_unsettled(&answer(16)) && is_unsettled(&json!({"errorCode": 14})));
        assert!(is_unsettled(&json!({"correlationId": 3, "instead": 4, "answer": {}})));
        assert!(
            !is_unsettled(&answer(25))
                && !is_unsettled(&json!({"port": 16}))
                && !is_unsettled(&json!("closed"))
        );
    }

    #[test]
    fn what_is_not_served_fails_once_it_is_answered() {
        let said = [Entry { label: "Heartbeat 3".to_owned(), answer: json!({"errorCode": 25}) }];
        let closed = [Entry { label: "Heartbeat 9".to_owned(), answer: json!("closed") }];
        let differs = ["1 Heartbeat 3: : Kafka {errorCode: 25}, here closed".to_owned()];
        let check = |lines: &[String], recorded: &[Entry], failed: usize| {
            let mut tally = Tally::default();
            tally.add_unserved("heartbeat-*", lines, Some(recorded));
            tally.report_unserved();
            assert_eq!((tally.failed, tally.unserved), (failed, 1), "{lines:?}");
        };
        check(&differs, &said, 0);
        check(&[], &closed, 0);
        check(&[], &said, 1);
    }
}
