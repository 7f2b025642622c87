//! The last offset of each key in the part of a log that is to be compacted,
//! in memory of a fixed size (Kafka: `SkimpyOffsetMap`).

use super::digest::KeyDigest;
use crate::base::Offset;
use crate::log::batches::batch::Batch;
use crate::log::batches::compression::decompress;
use crate::log::batches::fault::BatchFault;
use crate::log::batches::recompress::RECORDS_BYTES_MAX;
use crate::log::batches::records::Records;

/// Memory of one key: its digest and its offset.
pub const KEY_SLOT_BYTES: usize = size_of::<u128>() + size_of::<i64>();

/// Digests of keys and the last offset of each. Open addressing; nothing is taken out.
#[derive(Debug)]
pub struct KeyMap {
    digests: Vec<u128>,
    /// One more than the offset; 0 where there is no key.
    offsets: Vec<i64>,
    keys: usize,
    keys_max: usize,
    latest: Option<Offset>,
}

impl KeyMap {
    /// For `keys_max` keys in `slots` places, one of which stays free.
    pub fn new(slots: usize, keys_max: usize) -> KeyMap {
        let slots = slots.max(2);
        KeyMap {
            digests: vec![0; slots],
            offsets: vec![0; slots],
            keys: 0,
            keys_max: keys_max.clamp(1, slots - 1),
            latest: None,
        }
    }

    /// The last offset that the map knows of, with a key or without: what lies behind was not looked at.
    pub fn latest(&self) -> Option<Offset> {
        self.latest
    }

    pub fn len(&self) -> usize {
        self.keys
    }

    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    pub fn is_full(&self) -> bool {
        self.keys >= self.keys_max
    }

    pub fn memory_bytes(&self) -> usize {
        self.offsets.len() * KEY_SLOT_BYTES
    }

    /// The last offset of a key.
    pub fn offset_of(&self, key: &[u8]) -> Option<Offset> {
        let place = self.place_of(KeyDigest::of(key));
        let stored = self.offsets.get(place).copied().unwrap_or(0);
        (stored > 0).then(|| Offset(stored - 1))
    }

    fn put(&mut self, key: &[u8], offset: Offset) {
        let digest = KeyDigest::of(key);
        let place = self.place_of(digest);
        if let (Some(known), Some(at)) = (self.digests.get_mut(place), self.offsets.get_mut(place)) {
            self.keys += usize::from(*at == 0);
            (*known, *at) = (digest.0, offset.0 + 1);
        }
        self.latest = Some(offset);
    }

    /// Where the key is, or would be.
    fn place_of(&self, digest: KeyDigest) -> usize {
        let slots = self.offsets.len();
        let mut place = (digest.0 as u64 % slots as u64) as usize;
        // One place at least is free.
        loop {
            let is_free = self.offsets.get(place).is_none_or(|offset| *offset == 0);
            if is_free || self.digests.get(place) == Some(&digest.0) {
                return place;
            }
            place = (place + 1) % slots;
        }
    }
}

/// Whether a batch is wholly in the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapped {
    Whole,
    /// The map is full: `KeyMap::latest` says up to where.
    Full,
}

/// Fills a map with the records of a log from `start` on (Kafka: `Cleaner.buildOffsetMap`). Driven by whoever
/// reads the log, batch by batch, in order.
#[derive(Debug)]
pub struct MapBuild {
    start: Offset,
    map: KeyMap,
}

impl MapBuild {
    pub fn new(start: Offset, map: KeyMap) -> MapBuild {
        MapBuild { start, map }
    }

    /// Takes in a whole batch whose checksum was found right.
    pub fn take(&mut self, batch: &Batch<'_>) -> Result<Mapped, BatchFault> {
        let header = &batch.header;
        if !header.attributes.is_control() && header.last_offset() >= self.start {
            let codec = header.attributes.codec()?;
            let records = decompress(codec, batch.body(), RECORDS_BYTES_MAX)?;
            for record in Records::new(&records, header.records_count) {
                let record = record?;
                let offset = header.base_offset.plus(i64::from(record.offset_delta));
                let Some(key) = record.key.filter(|_| offset >= self.start) else { continue };
                if self.map.is_full() {
                    return Ok(Mapped::Full);
                }
                self.map.put(key, offset);
            }
        }
        if header.last_offset() >= self.start {
            self.map.latest = Some(header.last_offset());
        }
        Ok(Mapped::Whole)
    }

    pub fn finish(self) -> KeyMap {
        self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_each_key_is_known() {
        let mut map = KeyMap::new(8, 7);
        for (offset, key) in ["a", "b", "a", "c", "b", "d", "e", "f", "g"].into_iter().enumerate() {
            assert!(!map.is_full());
            map.put(key.as_bytes(), Offset(offset as i64));
        }
        let known = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let found = known.map(|key| map.offset_of(key.as_bytes()).map(|offset| offset.0));
        assert_eq!(found, [Some(2), Some(4), Some(3), Some(5), Some(6), Some(7), Some(8), None]);
        assert_eq!((map.len(), map.is_full(), map.latest()), (7, true, Some(Offset(8))));
        assert_eq!(map.memory_bytes(), 8 * 24);
    }
}
