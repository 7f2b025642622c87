//! When requests are meant to be sent, whatever the broker does: the arithmetic of open-loop load.

use std::time::{Duration, Instant};

/// How fast producers send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    /// As fast as answers come back: a closed loop, whose latencies begin when a place in flight becomes
    /// free.
    Maximum,
    /// Of all producers together; their latencies begin at the intended moment, sent by then or not.
    RecordsPerSecond(f64),
}

/// How long a load runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// At the start; not counted.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) length: Duration,
}

/// After the window, for answers that are still owed. What is unanswered then counts as that late.
const DRAIN: Duration = Duration::from_secs(10);

/// The moments of one run. Throughput counts answers that arrive in the window,
/// latencies the requests intended in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// The first request of all.
    pub(crate) start: Instant,
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Window {
    pub(crate) fn new(start: Instant, span: Span) -> Window {
        let begin = start + span.warm_up;
        Window { start, begin, end: begin + span.length }
    }

    pub(crate) fn contains(&self, moment: Instant) -> bool {
        self.begin <= moment && moment < self.end
    }

    /// When waiting ends.
    pub(crate) fn patience(&self) -> Instant {
        self.end + DRAIN
    }
}

/// The intended moments of one of several connections: evenly spaced, out of step with the other connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    start: Instant,
    /// Between two requests of this connection; none where the next is due as soon as there is room for it.
    period_ns: Option<f64>,
    /// Of a period, by which this connection comes after the first.
    phase: f64,
    next: u64,
}

impl Schedule {
    /// For connection `place` of `places`, whose requests hold `records` each.
    pub(crate) fn new(start: Instant, rate: Rate, records: usize, place: usize, places: usize) -> Schedule {
        let period_ns = match rate {
            Rate::Maximum => None,
            Rate::RecordsPerSecond(rate) => Some(1e9 * records as f64 * places as f64 / rate),
        };
        Schedule { start, period_ns, phase: place as f64 / places as f64, next: 0 }
    }

    /// The intended moment of the next request, if it has come; at maximum rate that is now.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.moment() {
            Some(moment) => (moment <= now).then_some(moment),
            None => (self.start <= now).then_some(now),
        }
    }

    /// The intended moment of the next request, past or not; `None` at maximum rate once the run has started.
    pub(crate) fn moment(&self) -> Option<Instant> {
        // From the number of the request, so that no error adds up.
        let period = self.period_ns?;
        Some(self.start + Duration::from_nanos(((self.next as f64 + self.phase) * period) as u64))
    }

    /// The next request is on its way.
    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// Microseconds of the moments at which requests are meant to be sent.
    fn moments(rate: f64, records: usize, place: usize, places: usize, count: usize) -> Vec<u128> {
        let start = clock::now();
        let mut schedule = Schedule::new(start, Rate::RecordsPerSecond(rate), records, place, places);
        let mut next = || {
            let moment = schedule.moment().unwrap();
            assert_eq!(schedule.due(moment), Some(moment));
            assert_eq!(schedule.due(moment - Duration::from_nanos(1)), None);
            schedule.advance();
            (moment - start).as_micros()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn intended_moments_are_even_and_connections_out_of_step() {
        assert_eq!(moments(1000.0, 1, 0, 1, 4), [0, 1000, 2000, 3000]);
        assert_eq!(moments(1000.0, 10, 0, 2, 3), [0, 20_000, 40_000]);
        assert_eq!(moments(1000.0, 10, 1, 2, 3), [10_000, 30_000, 50_000]);
    }

    #[test]
    fn no_error_adds_up() {
        // Three a second: a period that is no whole number of nanoseconds.
        assert_eq!(moments(3.0, 1, 0, 1, 30_001).last(), Some(&10_000_000_000));
    }

    #[test]
    fn at_maximum_rate_a_request_is_due_at_once() {
        let start = clock::now();
        let schedule = Schedule::new(start, Rate::Maximum, 1, 0, 1);
        assert_eq!((schedule.due(start - Duration::from_secs(1)), schedule.due(start)), (None, Some(start)));
    }

    #[test]
    fn a_window_leaves_the_warm_up_out() {
        let start = clock::now();
        let [warm_up, length] = [Duration::from_secs(2), Duration::from_secs(3)];
        let window = Window::new(start, Span { warm_up, length });
        let inside = [0, 2, 4, 5].map(|seconds| window.contains(start + Duration::from_secs(seconds)));
        assert_eq!(inside, [false, true, true, false]);
    }
}
