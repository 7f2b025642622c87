//! One append on its way into the log, and what becomes true when it is there.

use std::rc::Rc;

use bytes::{Buf, Bytes};
use millrace_core::base::ids::{Durability, LeaderEpoch, Offset, TimestampMs};
use millrace_core::journal::APPEND_HEAD_BYTES;
use millrace_core::log::batch::{HeaderBytes, RECORD_BATCH_OVERHEAD};
use millrace_core::log::{BatchHeader, ValidBatch};
use millrace_rt::Moment;

use crate::api::{AppendError, Appended};
use crate::commit::outcomes::AppendOutcomes;
use crate::partition::state::{LogPosition, Partition, PartitionRef};

/// One validated append that waits for its turn.
pub(crate) struct PendingAppend {
    pub(crate) partition: PartitionRef,
    pub(crate) durability: Durability,
    pub(crate) batch: ValidBatch,
    pub(crate) records: Bytes,
    pub(crate) answer: (Rc<AppendOutcomes>, usize),
}

impl PendingAppend {
    /// The batch as it is to stand in the log, in two parts; afterwards this one has no records.
    pub(crate) fn stamp(&mut self, base_offset: Offset, epoch: LeaderEpoch) -> (HeaderBytes, Bytes) {
        let header = self.batch.header_to_append(&self.records, base_offset, epoch);
        let mut body = std::mem::take(&mut self.records);
        body.truncate(self.batch.size());
        body.advance(RECORD_BATCH_OVERHEAD);
        (header, body)
    }

    /// Its header at that place. A retry is answered with the time that was stored,
    /// which under LogAppendTime is the append's.
    pub(crate) fn appended_at(&self, base_offset: Offset) -> BatchHeader {
        BatchHeader { base_offset, max_timestamp: self.batch.max_timestamp, ..self.batch.header }
    }

    pub(crate) fn refuse(&self, error: AppendError) {
        let (outcomes, place) = &self.answer;
        outcomes.resolve(*place, Err(error));
    }

    /// Once the frame which holds the log's end of this moment is durable, all before it is:
    /// also the earlier append that a retry asks for.
    pub(crate) fn completion(
        &self,
        partition: &Partition,
        base_offset: Offset,
        stamped: TimestampMs,
    ) -> Completion {
        Completion {
            partition: Rc::clone(&self.partition),
            durability: self.durability,
            reach: partition.ends.log_end_offset,
            visible: partition.end(),
            answer: (Rc::clone(&self.answer.0), self.answer.1),
            appended: Appended {
                base_offset,
                log_append_time: (stamped != TimestampMs::NONE).then_some(stamped),
                log_start_offset: partition.ends.log_start_offset,
            },
        }
    }

    /// The most that its entries take of a frame: the append and, before it, a roll.
    pub(crate) fn sealed_bytes_max(&self) -> usize {
        self.records.len() + 2 * APPEND_HEAD_BYTES
    }
}

/// What becomes true once a frame is as durable as the topic asks.
pub(crate) struct Completion {
    pub(crate) partition: PartitionRef,
    pub(crate) durability: Durability,
    /// The high watermark then, and where it lies.
    pub(crate) reach: Offset,
    pub(crate) visible: LogPosition,
    pub(crate) answer: (Rc<AppendOutcomes>, usize),
    pub(crate) appended: Appended,
}

impl Completion {
    pub(crate) fn happen(self, sealed: Moment, durable: Moment) {
        self.partition.borrow_mut().advance_high_watermark(self.reach, self.visible);
        let (outcomes, append) = self.answer;
        outcomes.commit(append, self.appended, sealed, durable);
    }
}

/// What became of an append whose turn it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// It is applied or refused.
    Done,
    /// The frame has no room for it.
    NoRoom,
    /// Its partition must first read its last block back; those behind it wait too.
    Blocked,
}
