//! What the outside was told in a run: which batches were sent, acknowledged, seen. It outlives every crash.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use millrace_core::base::{Offset, PartitionKey, ProducerId};
use millrace_rt::world::Crash;

use crate::ledger::{self, Verdict};
use crate::workload::{StreamKind, Workload};

/// What a producer knows of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendState {
    Unsent,
    /// Sent and not answered; it may be in the log or not.
    Unanswered,
    Acknowledged(Offset),
    /// Refused, and never to be sent again since it would come out of order; it is not in the log.
    Refused,
    /// Unanswered when the node crashed, and never to be sent again since nothing would tell the two apart.
    GivenUp,
}

/// One batch as a reader got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) base_offset: Offset,
    pub(crate) bytes: Vec<u8>,
}

/// Of one world; not of one boot.
#[derive(Clone)]
pub(crate) struct PromiseLedger {
    pub(crate) workload: Rc<Workload>,
    /// By stream and place.
    pub(crate) states: Vec<Vec<AppendState>>,
    /// Checksums of batches that readers got, by partition and base offset.
    pub(crate) seen: BTreeMap<PartitionKey, BTreeMap<Offset, u32>>,
    /// Bytes of each partition's log when it was last audited.
    pub(crate) audited: BTreeMap<PartitionKey, Vec<u8>>,
    /// The machine lost power since the last audit.
    pub(crate) lost_power: bool,
    pub(crate) verdict: Verdict,
    pub(crate) producer_ids: BTreeSet<ProducerId>,
    /// Where the logs must end at the next audit, where that is known.
    pub(crate) expected_ends: BTreeMap<PartitionKey, Offset>,
}

impl ledger::Ledger for PromiseLedger {
    fn verdict(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    /// What of the plain streams was under way stays unknown.
    fn crashed(&mut self, kind: Crash) {
        self.lost_power |= kind == Crash::Power;
        let workload = Rc::clone(&self.workload);
        for (stream, states) in workload.streams.iter().zip(&mut self.states) {
            if stream.kind == StreamKind::Plain {
                states
                    .iter_mut()
                    .filter(|state| **state == AppendState::Unanswered)
                    .for_each(|state| *state = AppendState::GivenUp);
            }
        }
    }
}

impl PromiseLedger {
    pub(crate) fn new(workload: Rc<Workload>) -> PromiseLedger {
        let states =
            workload.streams.iter().map(|stream| vec![AppendState::Unsent; stream.batches.len()]).collect();
        PromiseLedger {
            workload,
            states,
            seen: BTreeMap::new(),
            audited: BTreeMap::new(),
            lost_power: false,
            verdict: Verdict::default(),
            producer_ids: BTreeSet::new(),
            expected_ends: BTreeMap::new(),
        }
    }

    pub(crate) fn violate(&mut self, what: String) {
        millrace_rt::world::log(format!("VIOLATION: {what}"));
        self.verdict.violations.push(what);
    }

    /// Places of a stream's batches that are to be sent next: first those without an answer,
    /// then `more` new ones.
    pub(crate) fn to_send(&self, stream: usize, more: usize) -> Vec<usize> {
        let states = &self.states[stream];
        let again = states.iter().enumerate().filter(|(_, state)| **state == AppendState::Unanswered);
        let new = states.iter().enumerate().filter(|(_, state)| **state == AppendState::Unsent).take(more);
        again.chain(new).map(|(place, _)| place).collect()
    }

    /// Answers what was known of the batch before.
    pub(crate) fn sent(&mut self, stream: usize, place: usize) -> AppendState {
        std::mem::replace(&mut self.states[stream][place], AppendState::Unanswered)
    }

    /// The batch was not stored; an earlier try of it may have been.
    pub(crate) fn refused(&mut self, stream: usize, place: usize, before: AppendState) {
        self.states[stream][place] = match self.workload.streams[stream].kind {
            StreamKind::Idempotent => before,
            StreamKind::Plain => AppendState::Refused,
        };
    }

    pub(crate) fn acknowledged(&mut self, stream: usize, place: usize, offset: Offset) {
        self.verdict.acknowledgements += 1;
        self.states[stream][place] = AppendState::Acknowledged(offset);
    }

    /// A reader got this batch; what it got before at that offset was the same.
    pub(crate) fn saw(&mut self, key: PartitionKey, offset: Offset, checksum: u32) {
        let before = self.seen.entry(key).or_default().insert(offset, checksum);
        if before.is_some_and(|before| before != checksum) {
            self.violate(format!("{key}: a reader got two batches at offset {offset}"));
        }
    }

    /// The journal was damaged so that the logs end here: what was promised beyond is void.
    pub(crate) fn expect_ends(&mut self, ends: BTreeMap<PartitionKey, Offset>) {
        let workload = Rc::clone(&self.workload);
        for (stream, states) in workload.streams.iter().zip(&mut self.states) {
            let end = ends.get(&stream.key).copied().unwrap_or(Offset::ZERO);
            for state in states {
                match (*state, stream.kind) {
                    (AppendState::Acknowledged(offset), StreamKind::Idempotent) if offset >= end => {
                        *state = AppendState::Unanswered;
                    }
                    (AppendState::Acknowledged(offset), StreamKind::Plain) if offset >= end => {
                        *state = AppendState::GivenUp
                    }
                    _ => {}
                }
            }
        }
        for (key, end) in &ends {
            self.seen.entry(*key).or_default().retain(|offset, _| offset < end);
        }
        self.expected_ends = ends;
    }

    /// What is under way of a plain stream stays unknown: its connection broke.
    pub(crate) fn give_up(&mut self, stream: usize) {
        let unanswered = |state: &&mut AppendState| **state == AppendState::Unanswered;
        self.states[stream].iter_mut().filter(unanswered).for_each(|state| *state = AppendState::GivenUp);
    }

    /// Every batch was sent and is answered, as far as it will be.
    pub(crate) fn is_complete(&self) -> bool {
        let open = |state: &AppendState| matches!(state, AppendState::Unsent | AppendState::Unanswered);
        !self.states.iter().flatten().any(open)
    }

    /// No batch waits for an answer; asked at the end of a boot that was not cut short.
    pub(crate) fn expect_all_answered(&mut self) {
        let waiting = self.states.iter().flatten().filter(|state| **state == AppendState::Unanswered).count();
        if waiting > 0 {
            self.violate(format!("{waiting} batches were never answered"));
        }
    }
}
