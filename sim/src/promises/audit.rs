//! Judges a log that was read after a crash or at the end of a boot against what the outside was told.

use std::collections::BTreeMap;
use std::rc::Rc;

use millrace_core::base::{Durability, LeaderEpoch, Offset, PartitionKey};
use millrace_core::log::BatchHeader;

use super::ledger::{AppendState, PromiseLedger, Stored};
use crate::workload::StreamKind;

/// Base offset (8 bytes) and leader epoch (4 bytes at 12) are the broker's; all else is as sent.
fn same_but_for_the_broker(sent: &[u8], stored: &[u8]) -> bool {
    sent.len() == stored.len() && sent.get(8..12) == stored.get(8..12) && sent.get(16..) == stored.get(16..)
}

impl PromiseLedger {
    /// Compares a whole partition, read from its first offset to its end, with what is known of it.
    /// Afterwards the ledger knows what a power loss took.
    pub(crate) fn audit(&mut self, key: PartitionKey, durability: Durability, log: &[Stored]) {
        let may_lose = self.lost_power && durability == Durability::Process;
        let found = self.audit_batches(key, log);
        let end = log.last().map_or(Offset::ZERO, end_of);
        if let Some(expected) = self.expected_ends.remove(&key)
            && expected != end
        {
            self.violate(format!("{key}: the log ends at {end}, its journal at {expected}"));
        }
        self.audit_promises(key, may_lose, &found, end);
        self.audit_sights(key, may_lose, log, end);
        let bytes = log.iter().map(|stored| stored.bytes.as_slice()).collect::<Vec<_>>().concat();
        self.audited.insert(key, bytes);
    }

    /// Every batch is whole, once, known, and where it belongs.
    /// Answers the offset of each by stream and place.
    fn audit_batches(&mut self, key: PartitionKey, log: &[Stored]) -> BTreeMap<(usize, usize), Offset> {
        let workload = Rc::clone(&self.workload);
        let mut found: BTreeMap<(usize, usize), Offset> = BTreeMap::new();
        let mut next = Offset::ZERO;
        let mut epoch = LeaderEpoch::NONE;
        for stored in log {
            let at = stored.base_offset;
            if at != next {
                self.violate(format!("{key}: offset {next} is followed by a batch at {at}"));
            }
            next = end_of(stored);
            let header = BatchHeader::parse(&stored.bytes);
            let Ok(header) = header else {
                self.violate(format!("{key}: no batch at offset {at}"));
                continue;
            };
            if header.leader_epoch < epoch {
                self.violate(format!(
                    "{key}: leader epoch {} at offset {at} after {epoch}",
                    header.leader_epoch
                ));
            }
            epoch = header.leader_epoch;
            let Some((stream, place)) = workload.find(key, header.checksum) else {
                self.violate(format!("{key}: nobody sent the batch at offset {at}"));
                continue;
            };
            let planned = &workload.streams[stream].batches[place];
            if !same_but_for_the_broker(&planned.bytes, &stored.bytes) {
                self.violate(format!("{key}: the batch at offset {at} is not as it was sent"));
            }
            if let Some(before) = found.insert((stream, place), at) {
                self.violate(format!("{key}: stream {stream} batch {place} is at {before} and at {at}"));
            }
            match self.states[stream][place] {
                AppendState::Unsent => {
                    self.violate(format!(
                        "{key}: stream {stream} batch {place} at {at} was never sent, or refused"
                    ));
                }
                AppendState::Refused => {
                    self.violate(format!("{key}: stream {stream} batch {place} at {at} was refused"));
                }
                _ => {}
            }
        }
        self.audit_order(key, &found);
        found
    }

    /// Each stream's batches are there in order and without a hole;
    /// a plain stream may have holes where a crash was.
    fn audit_order(&mut self, key: PartitionKey, found: &BTreeMap<(usize, usize), Offset>) {
        let workload = Rc::clone(&self.workload);
        let mut last: Option<((usize, usize), Offset)> = None;
        for (&(stream, place), &offset) in found {
            if let Some(((before_stream, before), before_offset)) = last
                && before_stream == stream
            {
                if offset < before_offset {
                    self.violate(format!(
                        "{key}: stream {stream} batch {place} stands before batch {before}"
                    ));
                }
                if workload.streams[stream].kind == StreamKind::Idempotent && place != before + 1 {
                    self.violate(format!("{key}: stream {stream} has batch {place} right after {before}"));
                }
            } else if workload.streams[stream].kind == StreamKind::Idempotent && place != 0 {
                self.violate(format!("{key}: stream {stream} begins with batch {place}"));
            }
            last = Some(((stream, place), offset));
        }
    }

    /// What was acknowledged is there, at its offset.
    fn audit_promises(
        &mut self,
        key: PartitionKey,
        may_lose: bool,
        found: &BTreeMap<(usize, usize), Offset>,
        end: Offset,
    ) {
        let workload = Rc::clone(&self.workload);
        let streams = workload.streams.iter().enumerate().filter(|(_, stream)| stream.key == key);
        for (number, stream) in streams {
            for place in 0..stream.batches.len() {
                let AppendState::Acknowledged(offset) = self.states[number][place] else { continue };
                match found.get(&(number, place)) {
                    Some(at) if *at == offset => {}
                    Some(at) => self.violate(format!(
                        "{key}: stream {number} batch {place} was acknowledged at {offset} and is at {at}"
                    )),
                    None if may_lose && offset >= end => {
                        self.states[number][place] = match stream.kind {
                            StreamKind::Idempotent => AppendState::Unanswered,
                            StreamKind::Plain => AppendState::GivenUp,
                        };
                    }
                    None => self.violate(format!(
                        "{key}: stream {number} batch {place}, acknowledged at {offset}, is gone; the log ends at {end}"
                    )),
                }
            }
        }
    }

    /// What a reader got is still there; this audit is a reader too.
    fn audit_sights(&mut self, key: PartitionKey, may_lose: bool, log: &[Stored], end: Offset) {
        let mut seen = std::mem::take(self.seen.entry(key).or_default());
        if may_lose {
            seen.retain(|offset, _| *offset < end);
        }
        let found: BTreeMap<Offset, u32> = log
            .iter()
            .filter_map(|stored| Some((stored.base_offset, BatchHeader::parse(&stored.bytes).ok()?.checksum)))
            .collect();
        for (offset, checksum) in &seen {
            if found.get(offset) != Some(checksum) {
                self.violate(format!(
                    "{key}: what a reader got at offset {offset} vanished; the log ends at {end}"
                ));
            }
        }
        seen.extend(found);
        self.seen.insert(key, seen);
    }
}

fn end_of(stored: &Stored) -> Offset {
    BatchHeader::parse(&stored.bytes).map_or(stored.base_offset.next(), |header| header.next_offset())
}
