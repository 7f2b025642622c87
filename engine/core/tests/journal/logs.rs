//! Partitions' logs as they should be.

use std::collections::BTreeMap;

/// A place in a log: segment and byte.
pub(crate) type Place = (i64, usize);

/// A partition's log as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) segments: BTreeMap<i64, Vec<u8>>,
    /// Base offset and place of every batch.
    pub(crate) batches: Vec<(i64, Place)>,
}

impl Log {
    pub(crate) fn end_place(&self) -> Option<Place> {
        self.segments.last_key_value().map(|(segment, bytes)| (*segment, bytes.len()))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.segments.values().map(Vec::len).sum()
    }

    pub(crate) fn bytes_from(&self, durable: Place) -> usize {
        let parts = self.segments.range(durable.0..);
        parts.map(|(segment, bytes)| bytes.len() - if *segment == durable.0 { durable.1 } else { 0 }).sum()
    }
}

pub(crate) type Logs = BTreeMap<i32, Log>;

/// Where each batch of one record stands; those in segments that are gone have no place.
pub(crate) fn places(bases: &[i64], segments: &BTreeMap<i64, Vec<u8>>) -> Vec<(i64, Place)> {
    let mut at: BTreeMap<i64, usize> = BTreeMap::new();
    let first = segments.first_key_value().map_or(i64::MAX, |(segment, _)| *segment);
    let present = bases.iter().copied().filter(|base| *base >= first);
    present
        .map(|base| {
            let (segment, bytes) = segments.range(..=base).next_back().unwrap();
            let position = at.entry(*segment).or_default();
            let place = (*segment, *position);
            let length = u32::from_be_bytes(bytes[*position + 8..*position + 12].try_into().unwrap());
            *position += 12 + length as usize;
            (base, place)
        })
        .collect()
}
