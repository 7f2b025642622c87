//! One append on its way into the log, and what becomes true when it is there.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::{Durability, Offset};
use millrace_core::journal::APPEND_HEAD_BYTES;
use millrace_core::log::ValidBatch;
use millrace_rt::Moment;

use crate::api::Appended;
use crate::partition::{LogPosition, PartitionRef};
use crate::ticket::Gathering;

/// One validated append that waits for its turn.
pub(crate) struct Job {
    pub(crate) partition: PartitionRef,
    pub(crate) durability: Durability,
    pub(crate) batch: ValidBatch,
    pub(crate) records: Bytes,
    pub(crate) answer: (Rc<Gathering>, usize),
}

impl Job {
    /// The most that its entries take of a frame: the append and, before it, a roll.
    pub(crate) fn sealed_bytes_max(&self) -> usize {
        self.records.len() + 2 * APPEND_HEAD_BYTES
    }
}

/// What becomes true once a frame is as durable as the topic asks.
pub(crate) struct Effect {
    pub(crate) partition: PartitionRef,
    pub(crate) durability: Durability,
    /// The high watermark then, and where it lies.
    pub(crate) reach: Offset,
    pub(crate) visible: LogPosition,
    pub(crate) answer: (Rc<Gathering>, usize),
    pub(crate) appended: Appended,
}

impl Effect {
    pub(crate) fn happen(self, sealed: Moment, durable: Moment) {
        self.partition.borrow_mut().advance_high_watermark(self.reach, self.visible);
        let (gathering, append) = self.answer;
        gathering.commit(append, self.appended, sealed, durable);
    }
}

/// What became of a job whose turn it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is applied or refused.
    Had,
    /// The frame has no room for it.
    Waits,
    /// Its partition must first read its last block back; those behind it wait too.
    Blocks,
}
