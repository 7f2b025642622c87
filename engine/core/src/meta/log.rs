//! The metadata log: entries of records in one file, each with epoch, index and checksum.
//!
//! An entry is, little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic `MRM1` |
//! | 4 | length of the body |
//! | 4 | CRC-32C of everything that follows |
//! | 4 | epoch of the writer |
//! | 8 | index, one more than the entry before |
//! | 8 | hard index: entries up to it were on the device before this one was written |
//! | 4 | number of records |
//! | length | body: the records |
//!
//! Zeros between entries are padding (direct writes fill whole blocks). The last entry may be torn by a
//! crash: it is dropped, because nobody was told of it. A bad entry that a later one calls hard was
//! acknowledged: that is corruption and is refused.

use super::fields::{Reader, Writer};
use super::record::MetadataRecord;
use crate::base::Corrupt;

const MAGIC: [u8; 4] = *b"MRM1";
/// Magic, length and checksum.
const OUTER_BYTES: usize = 12;
/// What the checksum covers before the body.
const INNER_BYTES: usize = 24;
/// A length beyond this is damage, not an entry: the largest change (10,000 partitions) takes about 1 MiB.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Kind, version and length.
const RECORD_BYTES_MIN: usize = 8;

/// Records that became part of the log together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataEntry {
    pub epoch: i32,
    pub index: u64,
    /// Entries up to this index were durable when this one was written.
    pub hard_index: u64,
    pub records: Vec<MetadataRecord>,
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    Clean,
    /// The last write did not finish. The writer cuts the file at `DecodedLog::valid_bytes` before it goes
    /// on.
    Torn,
}

/// What a log's bytes hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedLog {
    pub entries: Vec<MetadataEntry>,
    /// End of the last good entry.
    pub valid_bytes: u64,
    pub tail: Tail,
}

impl MetadataEntry {
    /// Appends the entry's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        assert!(self.hard_index < self.index, "an entry cannot vouch for itself");
        let mut covered = Vec::new();
        covered.extend_from_slice(&self.epoch.to_le_bytes());
        covered.extend_from_slice(&self.index.to_le_bytes());
        covered.extend_from_slice(&self.hard_index.to_le_bytes());
        Writer(&mut covered).length(self.records.len());
        self.records.iter().for_each(|record| record.encode(&mut covered));
        let body = covered.len() - INNER_BYTES;
        assert!(body <= BODY_BYTES_MAX, "a metadata change of {body} bytes must be split by its maker");
        out.extend_from_slice(&MAGIC);
        Writer(out).length(body);
        out.extend_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
        out.extend_from_slice(&covered);
    }

    /// Reads the entry at the start of `bytes`, and its length. `at` is where that is in the log.
    fn decode(bytes: &[u8], at: u64) -> Result<(MetadataEntry, usize), Corrupt> {
        let mut outer = Reader::new(bytes, at);
        if outer.array::<4>()? != MAGIC {
            return Err(outer.corrupt("no entry begins here"));
        }
        let body = outer.u32()? as usize;
        let checksum = outer.u32()?;
        if body > BODY_BYTES_MAX {
            return Err(outer.corrupt("an entry is too long"));
        }
        let covered_at = outer.at();
        let covered = outer.slice(INNER_BYTES + body)?;
        if crc32c::crc32c(covered) != checksum {
            return Err(outer.corrupt("an entry does not match its checksum"));
        }
        let mut inner = Reader::new(covered, covered_at);
        let (epoch, index, hard_index) = (inner.i32()?, inner.u64()?, inner.u64()?);
        if hard_index >= index {
            return Err(inner.corrupt("an entry vouches for itself"));
        }
        let count = inner.count(RECORD_BYTES_MIN)?;
        let records = (0..count).map(|_| MetadataRecord::decode(&mut inner)).collect::<Result<_, _>>()?;
        match inner.is_empty() {
            true => {
                Ok((MetadataEntry { epoch, index, hard_index, records }, OUTER_BYTES + INNER_BYTES + body))
            }
            false => Err(inner.corrupt("an entry is longer than its records")),
        }
    }
}

impl DecodedLog {
    /// Reads a whole log.
    pub fn decode(bytes: &[u8]) -> Result<DecodedLog, Corrupt> {
        let (log, fault) = DecodedLog::survey(bytes);
        fault.map_or(Ok(log), Err)
    }

    /// The entries before the damage, and the damage if there is any.
    pub fn survey(bytes: &[u8]) -> (DecodedLog, Option<Corrupt>) {
        let mut log = DecodedLog { entries: Vec::new(), valid_bytes: 0, tail: Tail::Clean };
        let mut at = 0;
        while let Some(start) = skip_zeros(bytes, at) {
            let fault = match MetadataEntry::decode(bytes.get(start..).unwrap_or_default(), start as u64) {
                Ok((entry, length)) if entry.index == log.next_index(&entry) => {
                    log.entries.push(entry);
                    at = start + length;
                    log.valid_bytes = at as u64;
                    continue;
                }
                // Whole sectors of an unfinished write may be missing, and an entry with them.
                Ok(_) => Corrupt::new("metadata log", start as u64, "an entry is missing before this one"),
                // What was sealed under a good checksum and cannot be read is a newer release's,
                // not a torn write.
                Err(fault) if is_sealed(bytes, start) => return (log, Some(fault)),
                Err(fault) => fault,
            };
            if log.is_acknowledged_after(bytes, start) {
                return (log, Some(fault));
            }
            log.tail = Tail::Torn;
            break;
        }
        (log, None)
    }

    /// The index that must follow; a log that begins with `entry` begins with a write.
    fn next_index(&self, entry: &MetadataEntry) -> u64 {
        self.entries.last().map_or(entry.hard_index, |last| last.index).saturating_add(1)
    }

    /// Whether an entry at or after `start` says that the one which is missing here was durable.
    fn is_acknowledged_after(&self, bytes: &[u8], start: usize) -> bool {
        let last_index = self.entries.last().map_or(0, |last| last.index);
        let mut later = positions_of_magic(bytes, start)
            .filter_map(|at| MetadataEntry::decode(bytes.get(at..)?, at as u64).ok());
        later.any(|(entry, _)| entry.hard_index > last_index)
    }
}

/// The first byte at or after `at` that is not padding.
fn skip_zeros(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.iter().position(|&byte| byte != 0).map(|zeros| at + zeros)
}

fn positions_of_magic(bytes: &[u8], from: usize) -> impl Iterator<Item = usize> {
    let windows = bytes.get(from..).unwrap_or_default().windows(MAGIC.len());
    windows.enumerate().filter(|(_, window)| **window == MAGIC).map(move |(at, _)| from + at)
}

fn is_sealed(bytes: &[u8], start: usize) -> bool {
    let sealed = || -> Result<bool, Corrupt> {
        let mut outer = Reader::new(bytes.get(start..).unwrap_or_default(), start as u64);
        let (magic, body, checksum) = (outer.array::<4>()?, outer.u32()? as usize, outer.u32()?);
        let covered = outer.slice(INNER_BYTES.saturating_add(body))?;
        Ok(magic == MAGIC && crc32c::crc32c(covered) == checksum)
    };
    sealed().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::quota::{EntityKind, QuotaEntity, QuotaKey, QuotaName, QuotaValue};
    use super::super::record::{ConfigResource, Endpoint};
    use super::super::samples::Samples;
    use super::*;
    use crate::base::config::SecurityProtocol;
    use crate::base::ids::{BrokerId, LeaderEpoch, PartitionIndex, ProducerId, TopicId};

    /// The bytes of `entries` with zeros between them, and where each begins and ends.
    fn encode(entries: &[MetadataEntry], samples: &mut Samples) -> (Vec<u8>, Vec<std::ops::Range<usize>>) {
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for entry in entries {
            let start = bytes.len();
            entry.encode(&mut bytes);
            places.push(start..bytes.len());
            bytes.extend(vec![0; samples.below(20) as usize]);
        }
        (bytes, places)
    }

    #[test]
    fn the_format_stays_as_it_is() {
        let topic = TopicId(*b"sixteen bytes id");
        let endpoint = Endpoint {
            name: "PLAINTEXT".to_owned(),
            host: "h".to_owned(),
            port: 9092,
            protocol: SecurityProtocol::Plaintext,
        };
        let records = vec![
            MetadataRecord::Cluster { cluster_id: "c".to_owned() },
            MetadataRecord::Broker { id: BrokerId(1), rack: None, endpoints: vec![endpoint] },
            MetadataRecord::Topic { id: topic, name: "t".to_owned() },
            MetadataRecord::Partition {
                topic,
                index: PartitionIndex(2),
                replicas: vec![BrokerId(1)],
                isr: vec![BrokerId(1)],
                leader: BrokerId(1),
                leader_epoch: LeaderEpoch(3),
            },
            MetadataRecord::RemoveTopic { id: topic },
            MetadataRecord::Config {
                resource: ConfigResource::Topic("t".to_owned()),
                key: "k".to_owned(),
                value: Some("v".to_owned()),
            },
            MetadataRecord::Config {
                resource: ConfigResource::BrokerDefault,
                key: "k".to_owned(),
                value: None,
            },
            MetadataRecord::ProducerIds { next: ProducerId(1000) },
        ];
        let mut bytes = Vec::new();
        MetadataEntry { epoch: 4, index: 6, hard_index: 5, records }.encode(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN.split_whitespace().collect::<String>());
    }

    const GOLDEN: &str = "
        4d524d31d5000000e7bcf98a
        040000000600000000000000050000000000000008000000
        0100000005000000 0100000063
        020000001f000000 01000000000100000009000000504c41494e54455854010000006884230000
        0300000015000000 7369787465656e2062797465732069640100000074
        040000002c000000 7369787465656e20627974657320696402000000010000000100000001000000010000000100000003000000
        0500000010000000 7369787465656e206279746573206964
        0600000011000000 000100000074010000006b010100000076
        0600000007000000 02010000006b00
        0700000008000000 e803000000000000
    ";

    /// So that a release that knows no settings of groups says that it is too old,
    /// and not that the log is damaged.
    #[test]
    fn settings_of_groups_are_a_kind_of_their_own() {
        let resource = ConfigResource::Group("g".to_owned());
        let record = MetadataRecord::Config { resource, key: "k".to_owned(), value: Some("v".to_owned()) };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "08000000100000000100000067010000006b010100000076");
        assert_eq!(MetadataRecord::decode(&mut Reader::new(&bytes, 0)).unwrap(), record);
    }

    #[test]
    fn a_quota_is_written_for_good() {
        let entity = QuotaEntity::default()
            .with(EntityKind::ClientId, QuotaName::Named("c".to_owned()))
            .with(EntityKind::User, QuotaName::Default);
        for (value, expected) in [
            (
                Some(QuotaValue::new(1.5)),
                "0a00000027000000 0201000000630100 1200000070726f64756365725f627974655f72617465 01000000000000f83f",
            ),
            (None, "0a0000001f000000 0201000000630100 1200000070726f64756365725f627974655f72617465 00"),
        ] {
            let key = QuotaKey::ProducerByteRate;
            let record = MetadataRecord::ClientQuota { entity: entity.clone(), key, value };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected.replace(' ', ""));
            assert_eq!(MetadataRecord::decode(&mut Reader::new(&bytes, 0)).unwrap(), record);
        }
    }

    #[test]
    fn levels_of_features_stay_in_their_format() {
        let record =
            MetadataRecord::Features { epoch: 3, levels: vec![("a".to_owned(), 2), ("b".to_owned(), -1)] };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "090000001a00000003000000000000000200000001000000610200\
             0100000062ffff"
        );
        assert_eq!(MetadataRecord::decode(&mut Reader::new(&bytes, 0)).unwrap(), record);
    }

    #[test]
    fn what_is_written_is_read() {
        for seed in 0..200 {
            let mut samples = Samples::new(seed);
            let entries = samples.entries(1 + seed as usize % 8);
            let (bytes, places) = encode(&entries, &mut samples);
            let log = DecodedLog::decode(&bytes).unwrap();
            assert_eq!(log.valid_bytes as usize, places.last().unwrap().end, "seed {seed}");
            assert_eq!((log.entries, log.tail), (entries, Tail::Clean), "seed {seed}");
        }
        assert_eq!(DecodedLog::decode(&[]).unwrap().entries, []);
        assert_eq!(DecodedLog::decode(&[0; 4096]).unwrap().valid_bytes, 0);
    }

    /// Cuts or garbles at every byte. What a later write vouches for is corruption; anything else is a torn
    /// tail, and exactly the entries before it return.
    #[test]
    fn a_torn_tail_is_told_from_corruption() {
        for seed in 0..40 {
            let mut samples = Samples::new(seed);
            let entries = samples.entries(6);
            let (bytes, places) = encode(&entries, &mut samples);
            let hard_index = entries.last().unwrap().hard_index;
            for (entry, place) in entries.iter().zip(&places) {
                for at in place.clone() {
                    check_damage(&entries, entry, &bytes[..at], false, &format!("seed {seed}, cut at {at}"));
                    let mut garbled = bytes.clone();
                    garbled[at] ^= 1 + samples.below(255) as u8;
                    let is_last_write = entry.index > hard_index;
                    let case = format!("seed {seed}, garbled at {at}");
                    check_damage(&entries, entry, &garbled, !is_last_write, &case);
                }
            }
        }
    }

    fn check_damage(
        entries: &[MetadataEntry],
        damaged: &MetadataEntry,
        bytes: &[u8],
        is_corrupt: bool,
        case: &str,
    ) {
        let before: Vec<_> = entries.iter().filter(|entry| entry.index < damaged.index).cloned().collect();
        match DecodedLog::decode(bytes) {
            Err(fault) => assert!(is_corrupt, "{case}: {fault}"),
            Ok(log) => {
                assert!(!is_corrupt, "{case}: not noticed");
                assert_eq!(log.entries, before, "{case}");
            }
        }
    }

    #[test]
    fn an_entry_of_a_newer_release_is_refused() {
        let entry =
            MetadataEntry { epoch: 0, index: 1, hard_index: 0, records: vec![Samples::new(1).record()] };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        // The record's version stands behind its kind; the checksum is made good again.
        bytes[OUTER_BYTES + INNER_BYTES + 2] = 9;
        let checksum = crc32c::crc32c(&bytes[OUTER_BYTES..]);
        bytes[8..OUTER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        let fault = DecodedLog::decode(&bytes).unwrap_err();
        assert_eq!(fault.reason, "a record has a version of a newer release");
    }

    /// Nobody writes this; taken for good, it would be a change that the log cannot hold.
    #[test]
    fn an_entry_that_vouches_for_itself_is_refused() {
        let mut bytes = Vec::new();
        MetadataEntry { epoch: 0, index: 1, hard_index: 0, records: vec![] }.encode(&mut bytes);
        let hard_index_at = OUTER_BYTES + 12;
        bytes[hard_index_at] = 1;
        let checksum = crc32c::crc32c(&bytes[OUTER_BYTES..]);
        bytes[8..OUTER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        let fault = DecodedLog::decode(&bytes).unwrap_err();
        assert_eq!(fault.reason, "an entry vouches for itself");
    }

    /// Zeros in place of an entry: as a sector looks that an unfinished write did not reach.
    #[test]
    fn a_missing_entry_is_torn_or_corrupt_like_a_bad_one() {
        for seed in 0..100 {
            let mut samples = Samples::new(seed);
            let entries = samples.entries(6);
            let (bytes, places) = encode(&entries, &mut samples);
            let hard_index = entries.last().unwrap().hard_index;
            for (entry, place) in entries.iter().zip(places) {
                let mut zeroed = bytes.clone();
                zeroed[place].fill(0);
                let is_corrupt = entry.index <= hard_index && entry.index > entries[0].index;
                if entry.index > entries[0].index || entry.index > hard_index {
                    check_damage(
                        &entries,
                        entry,
                        &zeroed,
                        is_corrupt,
                        &format!("seed {seed}, {}", entry.index),
                    );
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        for seed in 0..2000 {
            let mut samples = Samples::new(seed);
            let length = samples.below(200) as usize;
            let mut bytes = samples.bytes(length);
            if seed % 2 == 0 && bytes.len() > OUTER_BYTES {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4..8].copy_from_slice(&(samples.below(200) as u32).to_le_bytes());
            }
            let _ = DecodedLog::decode(&bytes);
            // Records behind a good checksum are read as carefully.
            let _ = MetadataRecord::decode(&mut Reader::new(&bytes, 0));
        }
    }
}
