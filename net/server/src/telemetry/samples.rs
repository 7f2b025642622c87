//! What one client has pushed, as `/metrics` shows it.

use std::collections::BTreeMap;

/// What a value does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleKind {
    Counter,
    Gauge,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PushedSample {
    pub(crate) kind: SampleKind,
    pub(crate) value: f64,
}

/// How a pushed value combines with the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporality {
    /// It replaces the value before.
    Cumulative,
    /// It is added to the value before.
    Delta,
}

/// Values by name and labels, both as they are shown; the labels without braces.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PushedSamples {
    values: BTreeMap<(String, String), PushedSample>,
    bytes: usize,
}

/// The bytes of a value besides its texts.
const SAMPLE_BYTES: usize = 96;

impl PushedSamples {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str, &PushedSample)> {
        self.values.iter().map(|((name, labels), sample)| (name.as_str(), labels.as_str(), sample))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns false if there is no room.
    fn insert(&mut self, key: (String, String), sample: PushedSample, bytes_max: usize) -> bool {
        let bytes = key.0.len() + key.1.len() + SAMPLE_BYTES;
        let is_known = self.values.contains_key(&key);
        if !is_known {
            if self.bytes + bytes > bytes_max {
                return false;
            }
            self.bytes += bytes;
        }
        self.values.insert(key, sample);
        true
    }
}

/// The values of one push while they are merged with those of earlier pushes.
pub(super) struct Merging<'a> {
    before: &'a PushedSamples,
    after: PushedSamples,
    bytes_max: usize,
    /// Values that found no room.
    pub(super) dropped: u64,
}

impl<'a> Merging<'a> {
    pub(super) fn new(before: &'a PushedSamples, bytes_max: usize) -> Merging<'a> {
        Merging { before, after: PushedSamples::default(), bytes_max, dropped: 0 }
    }

    pub(super) fn add(
        &mut self,
        name: String,
        labels: String,
        (kind, temporality): (SampleKind, Temporality),
        value: f64,
    ) {
        let key = (name, labels);
        let base = match temporality {
            Temporality::Cumulative => 0.0,
            Temporality::Delta => {
                let known = self.after.values.get(&key).or_else(|| self.before.values.get(&key));
                known.map_or(0.0, |sample| sample.value)
            }
        };
        if !self.after.insert(key, PushedSample { kind, value: base + value }, self.bytes_max) {
            self.dropped += 1;
        }
    }

    /// Counters that were not pushed this time stay, since nothing may have been counted.
    /// Other values are dropped.
    pub(super) fn finish(mut self) -> (PushedSamples, u64) {
        for (key, sample) in &self.before.values {
            if sample.kind == SampleKind::Counter && !self.after.values.contains_key(key) {
                self.after.insert(key.clone(), sample.clone(), self.bytes_max);
            }
        }
        (self.after, self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(
        before: &PushedSamples,
        room: usize,
        values: &[(&str, SampleKind, Temporality, f64)],
    ) -> (PushedSamples, u64) {
        let mut merging = Merging::new(before, room);
        for (name, kind, temporality, value) in values {
            merging.add((*name).to_owned(), "l=\"1\"".to_owned(), (*kind, *temporality), *value);
        }
        merging.finish()
    }

    fn shown(samples: &PushedSamples) -> String {
        samples.iter().map(|(name, _, sample)| format!("{name}={} ", sample.value)).collect()
    }

    #[test]
    fn deltas_add_up_and_gauges_are_what_came_last() {
        use SampleKind::{Counter, Gauge};
        use Temporality::{Cumulative, Delta};
        let room = 10_000;
        let (first, _) = merge(
            &PushedSamples::default(),
            room,
            &[("a", Counter, Delta, 3.0), ("b", Gauge, Cumulative, 5.0), ("c", Counter, Cumulative, 7.0)],
        );
        assert_eq!(shown(&first), "a=3 b=5 c=7 ");
        let (second, _) = merge(
            &first,
            room,
            &[("a", Counter, Delta, 4.0), ("a", Counter, Delta, 1.0), ("d", Gauge, Cumulative, 1.0)],
        );
        assert_eq!(shown(&second), "a=8 c=7 d=1 ");
        let (third, _) = merge(&second, room, &[("c", Counter, Cumulative, 9.0)]);
        assert_eq!(shown(&third), "a=8 c=9 ");
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let room = 2 * (SAMPLE_BYTES + 6);
        let values = ["a", "b", "c", "a"].map(|name| (name, SampleKind::Gauge, Temporality::Cumulative, 1.0));
        let (samples, dropped) = merge(&PushedSamples::default(), room, &values);
        assert_eq!((shown(&samples).as_str(), dropped, samples.bytes()), ("a=1 b=1 ", 1, room));
    }
}
