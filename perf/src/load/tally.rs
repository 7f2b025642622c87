//! What a load counted: answers by the moment they came,
//! latencies by the moment their requests were meant for.

use std::time::Instant;

use super::schedule::Window;
use crate::measure::Latencies;

/// Counts of several threads merge; percentiles are of the merged histogram, never averaged.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Answers that came in the window, and what they acknowledged or brought.
    pub(crate) requests: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// From the intended moment to the answer, of requests meant for the window.
    pub(crate) latencies: Latencies,
    /// From the intended moment until the request was handed to its connection: the part of the latency that
    /// began before the broker could know.
    pub(crate) lags: Latencies,
    /// Requests meant for the window, or for the warm-up, that had no answer when patience ended; they are
    /// among the latencies with the time they had waited:
    /// a broker that answers nothing any more must not look idle.
    pub(crate) unanswered: u64,
    /// When the last answer in the window came.
    pub(super) last: Option<Instant>,
}

/// One request that was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) intended: Instant,
    pub(super) at: Instant,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            requests: 0,
            records: 0,
            bytes: 0,
            latencies: Latencies::new(),
            lags: Latencies::new(),
            unanswered: 0,
            last: None,
        }
    }

    pub(super) fn sent(&mut self, window: &Window, intended: Instant, at: Instant) {
        if window.contains(intended) {
            self.lags.record(at - intended);
        }
    }

    pub(super) fn answered(&mut self, window: &Window, answered: Answered) {
        if window.contains(answered.at) {
            self.requests += 1;
            self.records += answered.records;
            self.bytes += answered.bytes;
            self.last = self.last.max(Some(answered.at));
        }
        if window.contains(answered.intended) {
            self.latencies.record(answered.at - answered.intended);
        }
    }

    pub(super) fn given_up(&mut self, window: &Window, intended: Instant, at: Instant) {
        if intended < window.end {
            self.unanswered += 1;
            self.latencies.record(at - intended);
        }
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.records += other.records;
        self.bytes += other.bytes;
        self.latencies.merge(&other.latencies);
        self.lags.merge(&other.lags);
        self.unanswered += other.unanswered;
        self.last = self.last.max(other.last);
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Span;
    use super::*;
    use crate::clock;
    use std::time::Duration;

    #[test]
    fn latency_counts_from_the_intended_moment_and_throughput_by_arrival() {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let window = Window::new(
            start,
            Span { warm_up: Duration::from_millis(100), length: Duration::from_millis(100) },
        );
        let mut tally = Tally::new();
        // Intended, answered: meant for the warm-up, inside, answered behind the window, wholly outside.
        for (intended, answered) in [(90, 110), (120, 150), (190, 290), (200, 210)] {
            let (intended, at) = (at(intended), at(answered));
            tally.answered(&window, Answered { intended, at, records: 10, bytes: 100 });
        }
        assert_eq!((tally.requests, tally.records, tally.bytes), (2, 20, 200));
        assert_eq!((tally.latencies.count(), tally.latencies.max().as_millis()), (2, 100));
        let mut other = Tally::new();
        // Meant for the warm-up, for the window, and behind it.
        for intended in [50, 150, 200] {
            other.given_up(&window, at(intended), at(10_150));
        }
        tally.merge(&other);
        assert_eq!((tally.unanswered, tally.latencies.count()), (2, 4));
        // Three digits.
        assert!(tally.latencies.max() >= Duration::from_secs(10));
    }
}
