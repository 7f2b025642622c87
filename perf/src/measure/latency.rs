//! Latency percentiles, merged over rounds and never averaged.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Three digits from a nanosecond to a minute; what takes longer counts as a minute.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    nanoseconds: Histogram<u64>,
}

const LONGEST_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;
/// Points of a curve in each half of the way to 100 %.
const CURVE_TICKS: u32 = 4;

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let nanoseconds = match Histogram::new_with_bounds(1, LONGEST_NS, DIGITS) {
            Ok(histogram) => histogram,
            Err(error) => unreachable!("the bounds are constants in order: {error}"),
        };
        Latencies { nanoseconds }
    }

    pub(crate) fn of(taken: &[Duration]) -> Latencies {
        let mut latencies = Latencies::new();
        taken.iter().for_each(|taken| latencies.record(*taken));
        latencies
    }

    /// Of all rounds together.
    pub(crate) fn merged(rounds: &[Latencies]) -> Latencies {
        let mut all = Latencies::new();
        rounds.iter().for_each(|round| all.merge(round));
        all
    }

    pub(crate) fn record(&mut self, taken: Duration) {
        self.nanoseconds.saturating_record(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: &Latencies) {
        let merged = self.nanoseconds.add(&other.nanoseconds);
        assert!(merged.is_ok(), "all latencies have the same bounds");
    }

    pub(crate) fn count(&self) -> u64 {
        self.nanoseconds.len()
    }

    /// `share` of the latencies are at most this.
    pub(crate) fn at(&self, share: f64) -> Duration {
        Duration::from_nanos(self.nanoseconds.value_at_quantile(share))
    }

    pub(crate) fn median(&self) -> Duration {
        self.at(0.5)
    }

    /// Points of the whole curve: share and latency.
    pub(crate) fn curve(&self) -> Vec<(f64, Duration)> {
        let points = self.nanoseconds.iter_quantiles(CURVE_TICKS);
        points.map(|point| (point.quantile(), Duration::from_nanos(point.value_iterated_to()))).collect()
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_latencies_keep_their_percentiles() {
        let mut low = Latencies::of(&[Duration::from_micros(10); 99]);
        low.merge(&Latencies::of(&[Duration::from_secs(100)]));
        assert_eq!(low.count(), 100);
        assert_eq!(low.median().as_micros(), 10);
        assert_eq!(low.max().as_secs(), 60);
    }
}
