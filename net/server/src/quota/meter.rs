//! `Meter`: what one client, or several that share a quota, have spent of it on all shards.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millrace_core::base::pace::Pace;
use millrace_core::meta::QuotaKey;
use millrace_rt::Moment;

const NANOS_PER_SECOND: f64 = 1e9;

/// Shared by the shards that serve the client. One word says what is spent, so no shard asks another. A
/// client without a quota has no meter.
#[derive(Debug)]
pub(crate) struct Meter {
    key: QuotaKey,
    pace: Pace,
    /// The moment at which everything spent so far is paid for.
    paid_until: AtomicU64,
    /// Bytes, nanoseconds or partitions.
    spent: AtomicU64,
    throttles: AtomicU64,
    throttled_nanos: AtomicU64,
}

impl Meter {
    pub(crate) fn new(key: QuotaKey, pace: Pace, now: Moment) -> Meter {
        Meter {
            key,
            pace,
            paid_until: AtomicU64::new(pace.begin(now.as_nanos())),
            spent: AtomicU64::new(0),
            throttles: AtomicU64::new(0),
            throttled_nanos: AtomicU64::new(0),
        }
    }

    pub(crate) fn key(&self) -> QuotaKey {
        self.key
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Spends `amount`, however large it is. Returns how long the client has to rest.
    pub(crate) fn spend(&self, amount: f64, now: Moment) -> Duration {
        let now = now.as_nanos();
        self.spent.fetch_add((amount * self.unit()) as u64, Ordering::Relaxed);
        let spent = |before| Some(self.pace.spend(before, now, amount));
        let before = self.paid_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent);
        // The update is never refused, so both arms hold what was there before.
        let (Ok(before) | Err(before)) = before;
        self.pace.overdue(self.pace.spend(before, now, amount), now)
    }

    /// Spends `amount` unless that makes the client overdue. Returns for how long it would be.
    pub(crate) fn try_spend(&self, amount: f64, now: Moment) -> Result<(), Duration> {
        let nanos = now.as_nanos();
        let after = self.pace.spend(self.paid_until.load(Ordering::Relaxed), nanos, amount);
        match self.pace.overdue(after, nanos) {
            Duration::ZERO => {
                self.spend(amount, now);
                Ok(())
            }
            overdue => Err(overdue),
        }
    }

    /// Returns how long the client has to rest.
    pub(crate) fn overdue(&self, now: Moment) -> Duration {
        self.pace.overdue(self.paid_until.load(Ordering::Relaxed), now.as_nanos())
    }

    /// Returns what the client may spend without having to rest.
    pub(crate) fn room(&self, now: Moment) -> f64 {
        self.pace.room(self.paid_until.load(Ordering::Relaxed), now.as_nanos())
    }

    /// Notes a request that was throttled.
    pub(crate) fn note_throttle(&self, rest: Duration) {
        self.throttles.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX);
        self.throttled_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Returns the total that was spent: bytes, seconds, partitions or connections.
    pub(crate) fn spent(&self) -> f64 {
        self.spent.load(Ordering::Relaxed) as f64 / self.unit()
    }

    /// Seconds are kept as nanoseconds, everything else is whole.
    fn unit(&self) -> f64 {
        if self.key == QuotaKey::RequestPercentage { NANOS_PER_SECOND } else { 1.0 }
    }

    /// Returns the number of throttled requests, and their total rest.
    pub(crate) fn throttled(&self) -> (u64, Duration) {
        let nanos = self.throttled_nanos.load(Ordering::Relaxed);
        (self.throttles.load(Ordering::Relaxed), Duration::from_nanos(nanos))
    }

    /// Returns whether the meter can be forgotten without loss.
    pub(crate) fn is_as_new(&self, now: Moment) -> bool {
        self.pace.is_as_new(self.paid_until.load(Ordering::Relaxed), now.as_nanos())
    }
}
