//! What the outside knows of logs that shrink: how far they were deleted, how far they reach, what they hold.

use std::rc::Rc;

use millrace_core::base::{Durability, Offset};
use millrace_rt::world::Crash;

use super::plan::{Keeps, RETENTION_BYTES, RetentionPlan};
use crate::ledger::{self, Verdict};
use crate::reading::Fetched;

/// What was told of one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// The largest start that an answer named.
    start: Offset,
    /// The largest offset that DeleteRecords asked for.
    asked: Offset,
    /// Behind the last acknowledged batch.
    end: Offset,
}

pub(crate) struct RetentionLedger {
    pub(super) plan: Rc<RetentionPlan>,
    told: Vec<Told>,
    pub(super) verdict: Verdict,
}

impl ledger::Ledger for RetentionLedger {
    fn verdict(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    /// A power loss takes back what was only promised to survive the process; never a deletion.
    fn crashed(&mut self, kind: Crash) {
        if kind != Crash::Power {
            return;
        }
        for (told, stream) in self.told.iter_mut().zip(&self.plan.streams) {
            if stream.durability == Durability::Process {
                told.end = told.start;
            }
        }
    }
}

impl RetentionLedger {
    pub(super) fn new(plan: Rc<RetentionPlan>) -> RetentionLedger {
        let nothing = Told { start: Offset::ZERO, asked: Offset::ZERO, end: Offset::ZERO };
        let told = plan.streams.iter().map(|_| nothing).collect();
        RetentionLedger { plan, told, verdict: Verdict::default() }
    }

    pub(super) fn violate(&mut self, what: String) {
        self.verdict.violations.push(what);
    }

    pub(super) fn acknowledged(&mut self, number: usize, place: usize, base: Offset) {
        let stream = &self.plan.streams[number];
        let (expected, end) = (stream.offsets[place], stream.offsets[place + 1]);
        self.verdict.acknowledgements += 1;
        self.told[number].end = self.told[number].end.max(end);
        if base != expected {
            self.violate(format!("stream {number} batch {place} was stored at {base}, not {expected}"));
        }
    }

    pub(super) fn asks_to_delete(&mut self, number: usize, before: Offset) {
        self.told[number].asked = self.told[number].asked.max(before);
    }

    /// The largest start that anybody was told of.
    pub(super) fn start(&self, number: usize) -> Offset {
        self.told[number].start
    }

    /// An answer names the log's start; it never goes back behind what was told `before` it was asked for. Of
    /// two questions that are under way at a time either may be answered first.
    pub(super) fn began(&mut self, number: usize, start: Offset, before: Offset, by: &str) {
        let told = &mut self.told[number];
        told.start = told.start.max(start);
        if start < before {
            self.violate(format!("stream {number}: {by} begins at {start}, and began at {before} before"));
        }
    }

    /// Of `DeleteRecords`: the log begins where was `asked`, or later.
    pub(super) fn deleted(&mut self, number: usize, asked: Offset, start: Offset, before: Offset) {
        self.began(number, start, before, "a deletion");
        if start < asked {
            self.violate(format!("stream {number}: a deletion before {asked} was answered with {start}"));
        }
    }

    pub(super) fn end(&self, number: usize) -> Offset {
        self.told[number].end
    }

    /// Judges a log that was read whole: it holds what was sent, from its start to its end,
    /// and retention took no more than it may.
    pub(super) fn audit(&mut self, number: usize, start: Offset, end: Offset, log: &[Fetched]) {
        // Nobody else asks meanwhile.
        self.began(number, start, self.start(number), "the log");
        let plan = Rc::clone(&self.plan);
        let (stream, told) = (&plan.streams[number], self.told[number]);
        if end < told.end {
            self.violate(format!("stream {number} ends at {end}, and {} was acknowledged", told.end));
        }
        if stream.keeps == Keeps::Bytes
            && start > told.asked
            && stream.bytes_between(start, end) < RETENTION_BYTES
        {
            self.violate(format!("stream {number} begins at {start}: retention deleted too much"));
        }
        let mut next = stream.offsets.get(stream.place_of(start)).copied().unwrap_or(end);
        for (stored, checksum, behind) in log {
            let planned = &stream.batches.get(stream.place_of(next));
            let fits = planned.is_some_and(|planned| planned.header.checksum == *checksum);
            if stored.base_offset != next || !fits {
                return self
                    .violate(format!("stream {number}: {} stands where {next} should", stored.base_offset));
            }
            next = *behind;
        }
        if next != end {
            self.violate(format!("stream {number} can be read to {next}, and ends at {end}"));
        }
    }
}
