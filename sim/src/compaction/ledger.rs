//! What the outside knows of logs that are compacted: what was sent and acknowledged,
//! and hence what must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use millrace_core::base::{Durability, Offset};
use millrace_core::log::Batch;
use millrace_core::log::compression::decompress;
use millrace_core::log::records::Records;
use millrace_rt::world::Crash;

use super::plan::{CompactionPlan, KEYS, Record, VALUE_BYTES_MAX};
use crate::ledger::{self, Verdict};
use crate::reading::Fetched;

/// Logs of the plan are far smaller.
const BATCH_BYTES_MAX: usize = 1 << 24;
/// The active segment, and one that may have ended just now.
const SEGMENTS_BYTES_MAX: u64 = 2 << 20;

pub(crate) struct CompactionLedger {
    pub(super) plan: Rc<CompactionPlan>,
    /// Of each stream, behind the last acknowledged batch.
    ends: Vec<Offset>,
    pub(super) verdict: Verdict,
}

/// What was read of a log.
#[derive(Default)]
pub(super) struct Log {
    records: BTreeMap<i64, Record>,
    bytes: u64,
}

impl Log {
    /// Takes in batches that were read, which follow one another or the ones before.
    pub(super) fn take(&mut self, fetched: &[Fetched]) -> Result<(), String> {
        for (stored, ..) in fetched {
            self.bytes += stored.bytes.len() as u64;
            let batch = Batch::parse(&stored.bytes).map_err(|fault| fault.to_string())?;
            batch.verify_checksum().map_err(|fault| fault.to_string())?;
            let codec = batch.header.attributes.codec().map_err(|fault| fault.to_string())?;
            let plain =
                decompress(codec, batch.body(), BATCH_BYTES_MAX).map_err(|fault| fault.to_string())?;
            for record in Records::new(&plain, batch.header.records_count) {
                let record = record.map_err(|fault| fault.to_string())?;
                let offset = batch.header.base_offset.0 + i64::from(record.offset_delta);
                let timestamp =
                    millrace_core::base::TimestampMs(batch.header.base_timestamp.0 + record.timestamp_delta);
                let key = record.key.and_then(|key| key.first().copied()).unwrap_or(0);
                let read = Record { key, checksum: record.value.map(crc32c::crc32c), timestamp };
                if self.records.insert(offset, read).is_some() {
                    return Err(format!("offset {offset} is there twice"));
                }
            }
        }
        Ok(())
    }
}

impl ledger::Ledger for CompactionLedger {
    fn verdict(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    /// A power loss takes back what was only promised to survive the process.
    fn crashed(&mut self, kind: Crash) {
        if kind != Crash::Power {
            return;
        }
        for (end, stream) in self.ends.iter_mut().zip(&self.plan.streams) {
            if stream.durability == Durability::Process {
                *end = Offset::ZERO;
            }
        }
    }
}

impl CompactionLedger {
    pub(super) fn new(plan: Rc<CompactionPlan>) -> CompactionLedger {
        let ends = plan.streams.iter().map(|_| Offset::ZERO).collect();
        CompactionLedger { plan, ends, verdict: Verdict::default() }
    }

    pub(super) fn violate(&mut self, what: String) {
        self.verdict.violations.push(what);
    }

    pub(super) fn acknowledged(&mut self, number: usize, place: usize, base: Offset) {
        let stream = &self.plan.streams[number];
        let (expected, end) = (stream.offsets[place], stream.offsets[place + 1]);
        self.verdict.acknowledgements += 1;
        self.ends[number] = self.ends[number].max(end);
        if base != expected {
            self.violate(format!("stream {number} batch {place} was stored at {base}, not {expected}"));
        }
    }

    /// Judges what was read while the log was written: each record is the one that was sent.
    pub(super) fn judge_records(&mut self, number: usize, log: &Log) {
        let plan = Rc::clone(&self.plan);
        let sent = &plan.streams[number].records;
        for (offset, record) in &log.records {
            if sent.get(*offset as usize) != Some(record) {
                self.violate(format!("stream {number}: {record:?} stands at {offset}"));
            }
        }
    }

    /// Judges a log that was read whole and ends at `end`; what lies from `untouched` on was in no file yet.
    pub(super) fn audit(&mut self, number: usize, end: Offset, untouched: Offset, log: &Log) {
        self.judge_records(number, log);
        let plan = Rc::clone(&self.plan);
        let stream = &plan.streams[number];
        if end < self.ends[number] {
            self.violate(format!(
                "stream {number} ends at {end}, and {} was acknowledged",
                self.ends[number]
            ));
        }
        if stream.offsets.binary_search(&end).is_err() {
            return self.violate(format!("stream {number} ends at {end}, within a batch"));
        }
        // From the newest record to the oldest: what was overwritten behind, and deleted for good.
        let (mut newer, mut deleted) = (BTreeSet::new(), BTreeSet::new());
        for (offset, sent) in stream.records.iter().enumerate().take(end.0 as usize).rev() {
            let offset = offset as i64;
            let is_there = log.records.contains_key(&offset);
            let is_last = newer.insert(sent.key);
            if is_there && deleted.contains(&sent.key) {
                self.violate(format!("stream {number}: key {} came back at {offset}", sent.key));
            }
            if !is_there && is_last && sent.checksum.is_some() {
                self.violate(format!(
                    "stream {number}: the last value of key {} at {offset} is gone",
                    sent.key
                ));
            }
            if !is_there && is_last {
                deleted.insert(sent.key);
            }
            if !is_there && offset >= untouched.0 {
                self.violate(format!("stream {number}: {offset} is gone, and {untouched} begins the end"));
            }
        }
    }

    /// After all was sent and everybody had time no more is left than there are keys,
    /// behind what is not compacted yet.
    pub(super) fn expect_compacted(&mut self, number: usize, log: &Log) {
        let keys = KEYS * VALUE_BYTES_MAX as u64;
        let most = keys + SEGMENTS_BYTES_MAX;
        if log.bytes > most {
            let bytes = log.bytes;
            self.violate(format!(
                "stream {number} holds {bytes} bytes, more than {most}: it is not compacted"
            ));
        }
    }
}
