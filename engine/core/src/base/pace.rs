//! `Pace`: how fast a client may go, and how far ahead of that it may be.
//!
//! What a client has spent is one number, the moment at which all of it would be paid for at the pace; so
//! shards count the same client together without asking each other (an atomic word holds it). Over any time
//! `t` a client that is stopped for as long as it is overdue gets no more than the rate for `t` and what it
//! may be ahead.
//!
//! Kafka sums `quota.window.num` windows of `quota.window.size.seconds` and stops a client until the sum is
//! paid for (`Rate`, `QuotaUtils.throttleTime`); what it lets a client be ahead is the same,
//! the windows before the current one.

use std::time::Duration;

const NANOS_PER_SECOND: f64 = 1e9;

/// A moment in nanoseconds, of a clock that never goes back.
pub type Nanos = u64;

/// A rate with its bounds; plain values, the state is with the caller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    per_second: f64,
    /// A client that has rested may take so much time's worth at once.
    ahead: Nanos,
    /// A client that is new may.
    ahead_at_first: Nanos,
}

impl Pace {
    /// As much ahead at first as later.
    pub fn new(per_second: f64, ahead: Duration) -> Pace {
        Pace::beginning_with(per_second, ahead, ahead)
    }

    pub fn beginning_with(per_second: f64, ahead: Duration, at_first: Duration) -> Pace {
        let ahead = nanos(ahead);
        Pace { per_second, ahead, ahead_at_first: nanos(at_first).min(ahead) }
    }

    /// What is set for it.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// The state of a client that is new.
    pub fn begin(&self, now: Nanos) -> Nanos {
        now.saturating_add(self.ahead - self.ahead_at_first)
    }

    /// The state after `amount` was spent, which is never refused. A rate that is no number limits nothing.
    pub fn spend(&self, paid_until: Nanos, now: Nanos, amount: f64) -> Nanos {
        // A cast takes what is no number for 0, and what is too large for the largest.
        let worth = (amount / self.per_second * NANOS_PER_SECOND) as Nanos;
        paid_until.max(now).saturating_add(worth)
    }

    /// How long the client has to rest until it is no further ahead than it may be.
    pub fn overdue(&self, paid_until: Nanos, now: Nanos) -> Duration {
        Duration::from_nanos(paid_until.saturating_sub(now).saturating_sub(self.ahead))
    }

    /// What may be spent without being overdue then.
    pub fn room(&self, paid_until: Nanos, now: Nanos) -> f64 {
        let left = self.ahead.saturating_sub(paid_until.saturating_sub(now));
        left as f64 / NANOS_PER_SECOND * self.per_second
    }

    /// Whether a client whose state is forgotten gets nothing that it would not get with it.
    pub fn is_as_new(&self, paid_until: Nanos, now: Nanos) -> bool {
        paid_until <= self.begin(now)
    }
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    /// Requests of every size come as soon as the client may send them: what it gets is what is set.
    #[test]
    fn who_rests_while_overdue_keeps_the_rate() {
        for rate in [10.0, 1e3, 5e7] {
            for part in [0.001, 0.03, 0.7, 3.0] {
                let pace = Pace::beginning_with(rate, Duration::from_secs(10), Duration::from_millis(500));
                let (mut now, mut total) = (7 * SECOND, 0.0);
                let mut state = pace.begin(now);
                let end = now + 100 * SECOND;
                while now < end {
                    state = pace.spend(state, now, rate * part);
                    total += rate * part;
                    now += (pace.overdue(state, now).as_nanos() as Nanos).max(SECOND / 10_000);
                }
                let held = total / rate / 100.0;
                assert!((0.95..1.05).contains(&held), "{rate} per second in parts of {part} s: {held}");
            }
        }
    }

    #[test]
    fn who_has_rested_is_ahead_and_not_further() {
        let pace = Pace::beginning_with(100.0, Duration::from_secs(10), Duration::from_secs(1));
        let state = pace.begin(0);
        assert_eq!(pace.room(state, 0), 100.0);
        assert_eq!(pace.room(state, 4 * SECOND), 500.0);
        assert_eq!(pace.room(state, 400 * SECOND), 1000.0);
        let state = pace.spend(state, 400 * SECOND, 1250.0);
        assert_eq!(pace.overdue(state, 400 * SECOND), Duration::from_millis(2500));
        assert_eq!(pace.overdue(state, 402 * SECOND), Duration::from_millis(500));
        assert_eq!(
            (pace.overdue(state, 403 * SECOND), pace.room(state, 402 * SECOND)),
            (Duration::ZERO, 0.0)
        );
        assert!(!pace.is_as_new(state, 403 * SECOND));
        assert!(pace.is_as_new(state, 404 * SECOND));
    }

    #[test]
    fn rates_of_every_kind_are_borne() {
        let burst = Duration::from_secs(10);
        for (rate, overdue) in [
            (f64::NAN, Duration::ZERO),
            (f64::INFINITY, Duration::ZERO),
            (1e30, Duration::ZERO),
            (1e-30, Duration::from_nanos(u64::MAX - 10 * SECOND - 5)),
        ] {
            let pace = Pace::new(rate, burst);
            let state = pace.spend(pace.begin(5), 5, 1e6);
            assert_eq!(pace.overdue(state, 5), overdue, "{rate}");
            let again = pace.spend(state, 5, 1e6);
            assert!(again >= state);
        }
    }
}
