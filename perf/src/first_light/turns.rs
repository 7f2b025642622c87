//! Subjects measured in turns, so that what others do to the machine meets all of them alike.

use std::time::Duration;

use crate::client::Produce;
use crate::error::ClientError;
use crate::measure::{Latencies, Ratios, Report, Verdict};
use crate::probe::Pace;
use crate::suite::{Contender, warmed_up};

/// A round is cut into turns, so that what others do to the machine meets subject and probe alike.
pub(super) const TURNS: u32 = 10;

/// One subject with its latencies, round by round.
pub(super) struct Subject {
    pub(super) name: &'static str,
    produce: Produce,
    pub(super) rounds: Vec<Latencies>,
}

impl Subject {
    pub(super) fn new(
        contender: &Contender,
        topic: &str,
        partitions: i32,
        bytes: usize,
    ) -> Result<Subject, ClientError> {
        let produce =
            warmed_up(contender, topic, partitions, bytes).map_err(ClientError::of(contender.name))?;
        Ok(Subject { name: contender.name, produce, rounds: Vec::new() })
    }

    /// Requests one after another for that long, as a part of the round; the rhythm they had.
    pub(super) fn turn(&mut self, round: usize, length: Duration) -> Result<Pace, ClientError> {
        let taken =
            Pace::BackToBack.run(length, || self.produce.once()).map_err(ClientError::of(self.name))?;
        add(&mut self.rounds, round, &taken);
        Ok(Pace::Every(length / u32::try_from(taken.len().max(1)).unwrap_or(u32::MAX)))
    }
}

/// Adds a turn to the latencies of its round.
pub(super) fn add(rounds: &mut Vec<Latencies>, round: usize, taken: &[Duration]) {
    rounds.resize_with(rounds.len().max(round + 1), Latencies::new);
    rounds[round].merge(&Latencies::of(taken));
}

/// The verdict on the median of the rounds' ratios.
pub(super) fn ratio(report: &mut Report, name: &str, subject: &[Latencies], probe: &[Latencies], limit: f64) {
    let ratios = Ratios::of_medians(subject, probe);
    let verdict = Verdict::of(ratios.median() <= limit);
    report.verdict(name, verdict, &ratios.show(), &format!("at most {limit}x"));
}
