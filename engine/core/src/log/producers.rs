//! The last batches of each idempotent producer: what makes a retry harmless and a lost batch visible.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::base::limits::PRODUCER_BATCHES_MAX;
use crate::base::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use crate::log::batches::batch::BatchHeader;

/// A batch as its producer numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerBatch {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    pub first_sequence: Sequence,
    pub last_sequence: Sequence,
}

impl ProducerBatch {
    /// `None` if the batch has no producer id.
    pub fn of(header: &BatchHeader) -> Option<ProducerBatch> {
        header.has_producer().then(|| ProducerBatch {
            id: header.producer_id,
            epoch: header.producer_epoch,
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
        })
    }
}

/// A batch that is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedBatch {
    pub last_sequence: Sequence,
    /// Records less one; the same for offsets and for sequences.
    pub offset_delta: i32,
    pub last_offset: Offset,
    /// The batch's largest timestamp.
    pub timestamp: TimestampMs,
}

impl AppendedBatch {
    pub fn base_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }

    pub fn first_sequence(&self) -> Sequence {
        self.last_sequence.plus(self.offset_delta.wrapping_neg())
    }
}

/// What becomes of a producer's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProducerVerdict {
    /// To be appended, then noted with `record`.
    Fresh,
    /// One of the last five batches again: answered with the original's offsets,
    /// once the original is committed.
    Duplicate(AppendedBatch),
    Rejected(ProducerFault),
}

/// Why a producer's batch is refused, in Kafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProducerFault {
    /// INVALID_PRODUCER_EPOCH.
    #[error("Epoch of producer {producer} is {epoch}, which is smaller than the last seen epoch {current}")]
    InvalidEpoch { producer: ProducerId, epoch: ProducerEpoch, current: ProducerEpoch },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: an epoch begins at 0.
    #[error(
        "Invalid sequence number for new epoch of producer {producer}: {epoch} (request epoch), {sequence} (seq. number), {current} (current producer epoch)"
    )]
    NewEpochNotAtZero {
        producer: ProducerId,
        epoch: ProducerEpoch,
        sequence: Sequence,
        current: ProducerEpoch,
    },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: a gap, or a duplicate older than what is remembered.
    #[error(
        "Out of order sequence number for producer {producer}: {sequence} (incoming seq. number), {current} (current end sequence number)"
    )]
    OutOfOrder { producer: ProducerId, sequence: Sequence, current: Sequence },
}

/// One producer as checkpoints keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSnapshot {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    pub last_append: TimestampMs,
    /// Oldest first, one to `PRODUCER_BATCHES_MAX`.
    pub batches: Vec<AppendedBatch>,
}

/// The producers of one partition (Kafka: `ProducerStateManager`, `ProducerAppendInfo`). Lives on the shard
/// that owns the partition. A producer of one batch takes 72 bytes, an active one about 100 more.
#[derive(Debug, Clone, Default)]
pub struct ProducerWindows {
    producers: FxHashMap<ProducerId, Window>,
}

#[derive(Debug, Clone)]
struct Window {
    epoch: ProducerEpoch,
    last_append: TimestampMs,
    latest: AppendedBatch,
    /// The batches before the latest, oldest first.
    older: Vec<AppendedBatch>,
}

/// Batches remembered beside the latest.
const OLDER_BATCHES_MAX: usize = PRODUCER_BATCHES_MAX - 1;

impl ProducerWindows {
    pub fn new() -> ProducerWindows {
        ProducerWindows::default()
    }

    pub fn restore(snapshot: impl IntoIterator<Item = ProducerSnapshot>) -> ProducerWindows {
        let mut windows = ProducerWindows::new();
        for mut producer in snapshot {
            let Some(latest) = producer.batches.pop() else { continue };
            let excess = producer.batches.len().saturating_sub(OLDER_BATCHES_MAX);
            producer.batches.drain(..excess);
            let (epoch, last_append, older) = (producer.epoch, producer.last_append, producer.batches);
            windows.producers.insert(producer.id, Window { epoch, last_append, latest, older });
        }
        windows
    }

    /// Notes a batch that was appended at `base_offset`; `now` is the broker's time (on replay: any time that
    /// keeps a producer long enough, such as the batch's own). Kafka counts a producer's age by the times in
    /// its records, so that old data expire a live producer; the time of the append does not.
    pub fn record(&mut self, header: &BatchHeader, base_offset: Offset, now: TimestampMs) {
        assert!(header.has_producer(), "only batches with a producer id are remembered");
        let appended = AppendedBatch {
            last_sequence: header.last_sequence(),
            offset_delta: header.last_offset_delta,
            last_offset: base_offset.plus(i64::from(header.last_offset_delta)),
            timestamp: header.max_timestamp,
        };
        let epoch = header.producer_epoch;
        match self.producers.get_mut(&header.producer_id) {
            Some(window) => window.push(epoch, appended, now),
            None => {
                let window = Window { epoch, last_append: now, latest: appended, older: Vec::new() };
                self.producers.insert(header.producer_id, window);
            }
        }
    }

    /// Forgets producers that appended nothing for `expiration_ms` (`producer.id.expiration.ms`).
    /// Returns how many.
    pub fn expire(&mut self, now: TimestampMs, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, window| now.0.saturating_sub(window.last_append.0) < expiration_ms);
        let removed = before - self.producers.len();
        if self.producers.len() * 4 <= self.producers.capacity() {
            self.producers.shrink_to_fit();
        }
        removed
    }

    /// Keeps only the latest batch of producers that appended nothing for `idle_ms`; more than a client's
    /// delivery timeout, so that nothing older can be retried.
    pub fn trim_idle(&mut self, now: TimestampMs, idle_ms: i64) {
        for window in self.producers.values_mut() {
            if now.0.saturating_sub(window.last_append.0) >= idle_ms {
                window.older = Vec::new();
            }
        }
    }

    /// Forgets batches at or after `end`: the log was cut there. A producer all of whose remembered batches
    /// are gone becomes unknown; one whose history must be exact is replayed from a snapshot instead.
    pub fn truncate_from_end(&mut self, end: Offset) {
        self.producers.retain(|_, window| window.truncate_from_end(end));
    }

    /// Those of the given producers, to see what several batches would come to.
    pub fn only(&self, ids: impl Iterator<Item = ProducerId>) -> ProducerWindows {
        let known = ids.filter_map(|id| self.producers.get(&id).map(|window| (id, window.clone())));
        ProducerWindows { producers: known.collect() }
    }

    /// What to do with a batch. Decides by the appended batches only, in flight or not; changes nothing.
    pub fn check(&self, batch: &ProducerBatch) -> ProducerVerdict {
        let Some(window) = self.producers.get(&batch.id) else {
            return ProducerVerdict::Fresh;
        };
        if let Some(original) = window.find(batch) {
            return ProducerVerdict::Duplicate(original);
        }
        match window.refuses(batch) {
            Some(fault) => ProducerVerdict::Rejected(fault),
            None => ProducerVerdict::Fresh,
        }
    }

    pub fn knows(&self, id: ProducerId) -> bool {
        self.producers.contains_key(&id)
    }

    /// When each producer appended last.
    pub fn last_appends(&self) -> impl Iterator<Item = TimestampMs> {
        self.producers.values().map(|window| window.last_append)
    }

    pub fn len(&self) -> usize {
        self.producers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Memory in use, for the shard's budget.
    pub fn memory_bytes(&self) -> usize {
        let older: usize = self.producers.values().map(|window| window.older.capacity()).sum();
        self.producers.capacity() * size_of::<(ProducerId, Window)>() + older * size_of::<AppendedBatch>()
    }

    /// The last offset of each producer.
    pub fn last_offsets(&self) -> BTreeMap<ProducerId, Offset> {
        self.producers.iter().map(|(&id, window)| (id, window.latest.last_offset)).collect()
    }

    /// The last offset that any of them wrote.
    pub fn newest_offset(&self) -> Option<Offset> {
        self.producers.values().map(|window| window.latest.last_offset).max()
    }

    /// All producers in order of their ids.
    pub fn snapshot(&self) -> Vec<ProducerSnapshot> {
        let mut all: Vec<_> = self.producers.iter().map(|(&id, window)| window.snapshot(id)).collect();
        all.sort_unstable_by_key(|producer| producer.id);
        all
    }
}

impl Window {
    fn push(&mut self, epoch: ProducerEpoch, appended: AppendedBatch, now: TimestampMs) {
        if epoch == self.epoch {
            if self.older.len() == OLDER_BATCHES_MAX {
                self.older.remove(0);
            }
            self.older.reserve_exact(1);
            self.older.push(self.latest);
        } else {
            self.epoch = epoch;
            self.older.clear();
        }
        self.latest = appended;
        self.last_append = now;
    }

    fn find(&self, batch: &ProducerBatch) -> Option<AppendedBatch> {
        let matches = |appended: &&AppendedBatch| {
            appended.last_sequence == batch.last_sequence && appended.first_sequence() == batch.first_sequence
        };
        if batch.epoch != self.epoch {
            return None;
        }
        self.older.iter().chain([&self.latest]).find(matches).copied()
    }

    fn refuses(&self, batch: &ProducerBatch) -> Option<ProducerFault> {
        let (producer, epoch, sequence) = (batch.id, batch.epoch, batch.first_sequence);
        if epoch < self.epoch {
            return Some(ProducerFault::InvalidEpoch { producer, epoch, current: self.epoch });
        }
        if epoch > self.epoch {
            let free = sequence == Sequence::ZERO || self.epoch == ProducerEpoch::NONE;
            let fault = ProducerFault::NewEpochNotAtZero { producer, epoch, sequence, current: self.epoch };
            return (!free).then_some(fault);
        }
        let current = self.latest.last_sequence;
        let follows = sequence == current.next() || self.epoch == ProducerEpoch::NONE;
        (!follows).then_some(ProducerFault::OutOfOrder { producer, sequence, current })
    }

    /// False if nothing is left.
    fn truncate_from_end(&mut self, end: Offset) -> bool {
        while self.latest.last_offset >= end {
            match self.older.pop() {
                Some(older) => self.latest = older,
                None => return false,
            }
        }
        true
    }

    fn snapshot(&self, id: ProducerId) -> ProducerSnapshot {
        let batches = self.older.iter().copied().chain([self.latest]).collect();
        ProducerSnapshot { id, epoch: self.epoch, last_append: self.last_append, batches }
    }
}
