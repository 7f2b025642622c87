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
//! Zeros between entries are padding (direct writes fill whole blocks). The last entry may be torn by a crash: it is
//! dropped, because nobody was told of it. A bad entry that a later one calls hard was acknowledged: that is corruption
//! and is refused.

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
    /// The last write did not finish. The writer cuts the file at `DecodedLog::valid_bytes` before it goes on.
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
        let mut log = DecodedLog { entries: Vec::new(), valid_bytes: 0, tail: Tail::Clean };
        let mut at = 0;
        while let Some(start) = skip_zeros(bytes, at) {
            match MetadataEntry::decode(bytes.get(start..).unwrap_or_default(), start as u64) {
                Ok((entry, length)) => {
                    if log.entries.last().is_some_and(|last| entry.index != last.index + 1) {
                        return Err(Corrupt::new(
                            "metadata log",
                            start as u64,
                            "an entry is missing before this one",
                        ));
                    }
                    log.entries.push(entry);
                    at = start + length;
                    log.valid_bytes = at as u64;
                }
                Err(fault) => {
                    log.check_tail(bytes, start, fault)?;
                    log.tail = Tail::Torn;
                    return Ok(log);
                }
            }
        }
        Ok(log)
    }

    /// Whether the bad bytes at `start` may be a write that did not finish: no later entry says otherwise.
    fn check_tail(&self, bytes: &[u8], start: usize, fault: Corrupt) -> Result<(), Corrupt> {
        let expected = self.entries.last().map_or(1, |last| last.index + 1);
        // What was sealed under a good checksum and cannot be read is a newer release's, not a torn write.
        if is_sealed(bytes, start) {
            return Err(fault);
        }
        let later = positions_of_magic(bytes, start + 1);
        let mut later = later.filter_map(|at| MetadataEntry::decode(bytes.get(at..)?, at as u64).ok());
        match later.any(|(entry, _)| entry.hard_index >= expected) {
            true => Err(fault),
            false => Ok(()),
        }
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
