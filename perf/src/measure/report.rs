//! What is printed while the figures are taken, judged against their limits, and written as JSON.
#![expect(clippy::print_stdout, reason = "the figures are what the command is for")]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::latency::Latencies;
use super::pairs::Ratios;
use super::table::Table;
use crate::disk;
use crate::error::ClientError;

/// Whether a figure is inside its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
}

impl Verdict {
    pub(crate) fn of(holds: bool) -> Verdict {
        if holds { Verdict::Pass } else { Verdict::Fail }
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
        }
    }
}

/// Prints as it goes; ends with the number of verdicts.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<Value>,
    passed: u32,
    failed: u32,
}

impl Report {
    pub(crate) fn begin(&mut self, name: &str, title: &str) {
        println!("\n== {name}: {title}");
        self.figures.push(json!({"name": name, "title": title, "notes": [], "tables": [], "verdicts": []}));
    }

    pub(crate) fn note(&mut self, text: &str) {
        println!("{text}");
        self.add("notes", json!(text));
    }

    pub(crate) fn table(&mut self, table: &Table) {
        table.lines().iter().for_each(|line| println!("  {line}"));
        self.add("tables", table.value());
    }

    /// One verdict: the figure and its limit in words.
    pub(crate) fn verdict(&mut self, name: &str, verdict: Verdict, value: &str, limit: &str) {
        println!("{} {name}: {value} ({limit})", verdict.word());
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail => self.failed += 1,
        }
        self.add(
            "verdicts",
            json!({"verdict": verdict.word(), "name": name, "value": value, "limit": limit}),
        );
    }

    /// A figure that must not exceed its limit; one that is no number fails.
    pub(crate) fn at_most(&mut self, name: &str, value: f64, limit: f64, unit: &str) {
        let (shown, bound) = (format!("{value:.3}{unit}"), format!("at most {limit}{unit}"));
        self.verdict(name, Verdict::of(value <= limit), &shown, &bound);
    }

    /// The p99 beside something must not exceed so many times the one alone,
    /// unless it is no more than what nobody notices.
    pub(crate) fn slowed_at_most(
        &mut self,
        name: &str,
        (alone, beside): (&Latencies, &Latencies),
        times: f64,
        unnoticed: Duration,
    ) {
        let limit = (alone.at(0.99).as_secs_f64() * times).max(unnoticed.as_secs_f64());
        let (p99, limit) = (beside.at(0.99).as_secs_f64() * 1e3, (limit * 1e6).round() / 1e3);
        self.at_most(name, p99, limit, " ms");
    }

    pub(crate) fn at_least(&mut self, name: &str, value: f64, limit: f64, unit: &str) {
        let (shown, bound) = (format!("{value:.3}{unit}"), format!("at least {limit}{unit}"));
        self.verdict(name, Verdict::of(value >= limit), &shown, &bound);
    }

    /// The median of the rounds' ratios must not exceed the limit; no round fails.
    pub(crate) fn ratio_at_most(&mut self, name: &str, ratio: &Ratios, limit: f64) {
        self.verdict(name, Verdict::of(ratio.median() <= limit), &ratio.show(), &format!("at most {limit}x"));
    }

    pub(crate) fn ratio_at_least(&mut self, name: &str, ratio: &Ratios, limit: f64) {
        self.verdict(
            name,
            Verdict::of(ratio.median() >= limit),
            &ratio.show(),
            &format!("at least {limit}x"),
        );
    }

    /// A figure that could not be taken counts as failed.
    pub(crate) fn broken(&mut self, name: &str, failure: &ClientError) {
        self.verdict(name, Verdict::Fail, &format!("not measured, {failure}"), "a figure");
    }

    /// The closing line, and the JSON if a file was named.
    pub(crate) fn finish(self, json_file: Option<&Path>) -> Result<Verdict, ClientError> {
        let report = json!({"passed": self.passed, "failed": self.failed, "figures": self.figures});
        if let Some(path) = json_file {
            disk::write_text(path, &format!("{report:#}\n"))?;
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        Ok(Verdict::of(self.failed == 0))
    }

    fn add(&mut self, list: &str, value: Value) {
        let list = self.figures.last_mut().and_then(|figure| figure.get_mut(list));
        if let Some(list) = list.and_then(Value::as_array_mut) {
            list.push(value);
        }
    }
}
