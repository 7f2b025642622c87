//! What a shard counts of itself: counters and logarithmic histograms,
//! plain cells that cost an addition each.

use std::cell::Cell;

/// A number that grows, or a level that also falls. Lives on one shard.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    pub fn add(&self, amount: u64) {
        self.0.set(self.0.get().wrapping_add(amount));
    }

    pub fn increment(&self) {
        self.add(1);
    }

    /// For levels: what was added is taken back.
    pub fn subtract(&self, amount: u64) {
        let before = self.0.get();
        assert!(before >= amount, "a level never falls below zero");
        self.0.set(before - amount);
    }

    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Values below this share the first bucket: a microsecond in nanoseconds, a kilobyte in bytes.
const FIRST_LOG2: u32 = 10;
/// Values from here on share the last bucket: 137 s in nanoseconds, 128 GiB in bytes.
const LAST_LOG2: u32 = 37;
/// Each power of two is divided in so many buckets, so that a quantile is at most a quarter off.
const STEPS_LOG2: u32 = 2;
const STEPS: usize = 1 << STEPS_LOG2;
/// Number of buckets.
const BUCKETS: usize = 2 + ((LAST_LOG2 - FIRST_LOG2) as usize) * STEPS;

const _: () = assert!(FIRST_LOG2 >= STEPS_LOG2 && LAST_LOG2 < u64::BITS);

/// How often values of each size came: nanoseconds, or bytes. Recording takes no memory. Lives on one shard.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Cell<u64>; BUCKETS],
    sum: Cell<u64>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [const { Cell::new(0) }; BUCKETS], sum: Cell::new(0) }
    }
}

impl Histogram {
    pub fn record(&self, value: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(value)) {
            bucket.set(bucket.get() + 1);
        }
        self.sum.set(self.sum.get().wrapping_add(value));
    }

    /// Its counts at this moment.
    pub fn counts(&self) -> Distribution {
        Distribution { buckets: self.buckets.iter().map(Cell::get).collect(), sum: self.sum.get() }
    }
}

/// Counts of a [`Histogram`]; those of several shards add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Empty, or one of each bucket.
    buckets: Vec<u64>,
    sum: u64,
}

impl Distribution {
    pub fn merge(&mut self, other: &Distribution) {
        self.buckets.resize(BUCKETS, 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// For each power of two from the first bucket's end on: the bound, and how many values lie below it.
    pub fn below_powers(&self) -> Vec<(u64, u64)> {
        let mut below = 0;
        let mut seen = 0;
        (FIRST_LOG2..=LAST_LOG2)
            .map(|log2| {
                let end = 1 + ((log2 - FIRST_LOG2) as usize) * STEPS;
                below += self.buckets.get(seen..end).unwrap_or_default().iter().sum::<u64>();
                seen = end;
                (1 << log2, below)
            })
            .collect()
    }

    /// The value below which a share of all values lies, from 0 to 1; 0 without values.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        for (number, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= wanted {
                return bucket_end(number);
            }
        }
        0
    }
}

fn bucket_of(value: u64) -> usize {
    let log2 = value.max(1).ilog2();
    if log2 < FIRST_LOG2 {
        return 0;
    }
    let step = (value >> (log2 - STEPS_LOG2)) as usize % STEPS;
    (1 + (log2 - FIRST_LOG2) as usize * STEPS + step).min(BUCKETS - 1)
}

/// The first value beyond a bucket.
fn bucket_end(number: usize) -> u64 {
    let Some(place) = number.checked_sub(1) else { return 1 << FIRST_LOG2 };
    let (octave, step) = (place / STEPS, place % STEPS);
    let base = 1u64 << (FIRST_LOG2 as usize + octave);
    base + (base >> STEPS_LOG2) * (step as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in [0, 1, 1023, 1024, 1279, 1280, 4095, 4096, 1 << 30, (1 << 37) - 1] {
            let bucket = bucket_of(value);
            assert!(value < bucket_end(bucket), "{value}");
            assert!(bucket == 0 || value >= bucket_end(bucket - 1), "{value}");
        }
        assert_eq!(bucket_of(1 << 37), BUCKETS - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_at_most_a_quarter_off() {
        let histogram = Histogram::default();
        (1..=10_000).for_each(|micros| histogram.record(micros * 1000));
        let counts = histogram.counts();
        assert_eq!((counts.count(), counts.sum()), (10_000, 50_005_000_000));
        for (share, exact) in [(0.5, 5_000_000u64), (0.99, 9_900_000), (0.999, 9_990_000)] {
            let found = counts.quantile(share);
            assert!((exact..=exact * 5 / 4).contains(&found), "{share}: {found}");
        }
        assert_eq!(Distribution::default().quantile(0.5), 0);
    }

    #[test]
    fn shards_add_up() {
        let (one, two) = (Histogram::default(), Histogram::default());
        one.record(2000);
        two.record(3000);
        two.record(1 << 40);
        let mut all = Distribution::default();
        all.merge(&one.counts());
        all.merge(&two.counts());
        assert_eq!((all.count(), all.sum()), (3, 5000 + (1 << 40)));
        let below = all.below_powers();
        assert_eq!(below.first(), Some(&(1024, 0)));
        assert!(below.contains(&(2048, 1)) && below.contains(&(4096, 2)));
        assert_eq!(below.last(), Some(&(1 << 37, 2)));
    }

    #[test]
    #[should_panic(expected = "a level never falls below zero")]
    fn levels_do_not_wrap() {
        Counter::default().subtract(1);
    }
}
