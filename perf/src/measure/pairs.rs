//! Ratios of two subjects measured in turns: the median of the pairs, with the least and the largest.

use std::time::Duration;

use super::flow::median;
use super::latency::Latencies;

#[derive(Debug, Clone, Default)]
pub(crate) struct Ratios {
    pairs: Vec<f64>,
}

impl Ratios {
    /// The medians of each round, one against the other.
    pub(crate) fn of_medians(subject: &[Latencies], probe: &[Latencies]) -> Ratios {
        Ratios::of_percentiles(subject, probe, 0.5)
    }

    /// The same percentile of each round, one against the other.
    pub(crate) fn of_percentiles(subject: &[Latencies], base: &[Latencies], at: f64) -> Ratios {
        let ratio = |(subject, base): (&Latencies, &Latencies)| share(subject.at(at), base.at(at));
        Ratios { pairs: subject.iter().zip(base).map(ratio).collect() }
    }

    pub(crate) fn of_rates(subject: &[f64], peer: &[f64]) -> Ratios {
        Ratios { pairs: subject.iter().zip(peer).map(|(subject, peer)| subject / peer).collect() }
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.pairs.iter().copied())
    }

    /// Median, and the range of the rounds.
    pub(crate) fn show(&self) -> String {
        let least = self.pairs.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = self.pairs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{:.2}x, rounds {least:.2} to {largest:.2}", self.median())
    }
}

fn share(subject: Duration, probe: Duration) -> f64 {
    subject.as_secs_f64() / probe.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_pairs() {
        let cases: [(&[f64], f64); 3] = [(&[3.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[1.0, 2.0], 1.5)];
        for (pairs, expected) in cases {
            assert_eq!(Ratios::of_rates(pairs, &[1.0; 3]).median(), expected);
        }
        assert_eq!(Ratios::of_rates(&[4.0, 2.0], &[2.0, 2.0]).show(), "1.50x, rounds 1.00 to 2.00");
    }
}
