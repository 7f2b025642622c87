//! How many producers a shard remembers. Kafka has no bound but their age, and any client may name any id.

use std::cell::Cell;

use millrace_core::base::measure::Counter;
use millrace_core::log::BatchHeader;
use millrace_rt::Signal;

use crate::api::AppendError;
use crate::partition::state::Partition;

/// What one producer of one partition takes, its share of the checkpoint that names it counted.
const PRODUCER_BYTES: usize = 256;
/// A shard with less memory remembers this number all the same.
const PRODUCERS_LEAST: usize = 4096;
/// New ones are let in until they are so large a part of all: then it is looked who may be forgotten.
const FRESH_PARTS: usize = 8;

/// Keeps count of the producers of a shard's partitions. Always: `known` and `fresh` together are at least as
/// many as there are, but for the few whose first batch stood in line at the last look;
/// and at most `max`, unless a start found more.
pub(crate) struct ProducerBound {
    max: usize,
    /// At the last look.
    known: Cell<usize>,
    /// Let in since; one whose first batches stand in line counts for each of them.
    fresh: Cell<usize>,
    crowded: Signal,
    forgotten: Counter,
    refused: Counter,
}

impl ProducerBound {
    pub(crate) fn new(bytes_max: usize) -> ProducerBound {
        ProducerBound {
            max: (bytes_max / PRODUCER_BYTES).max(PRODUCERS_LEAST),
            known: Cell::new(0),
            fresh: Cell::new(0),
            crowded: Signal::new(),
            forgotten: Counter::default(),
            refused: Counter::default(),
        }
    }

    /// Whether a batch may enter: one of a producer that its partition does not know,
    /// only while there is room for it.
    pub(crate) fn admit(&self, partition: &Partition, header: &BatchHeader) -> Result<(), AppendError> {
        if !header.has_producer() || partition.history.producers.knows(header.producer_id) {
            return Ok(());
        }
        let has_room = !self.is_full();
        match has_room {
            true => self.fresh.set(self.fresh.get() + 1),
            false => self.refused.increment(),
        }
        if self.is_crowded() {
            self.crowded.notify_all();
        }
        has_room.then_some(()).ok_or(AppendError::TooManyProducers)
    }

    fn is_full(&self) -> bool {
        self.known.get() + self.fresh.get() >= self.max
    }

    fn is_crowded(&self) -> bool {
        self.is_full() || self.fresh.get() >= self.max / FRESH_PARTS
    }

    /// Completes when enough came that a look is due at who may be forgotten.
    pub(crate) async fn until_crowded(&self) {
        let crowded = self.crowded.wait();
        if !self.is_crowded() {
            crowded.await;
        }
    }

    /// How many of `known` are to go, so that as many can come as make the next look.
    pub(crate) fn excess(&self, known: usize) -> usize {
        (known + self.max / FRESH_PARTS).saturating_sub(self.max)
    }

    /// Notes a look that left `left` and forgot others. Producers let in meanwhile may be counted twice.
    pub(crate) fn looked(&self, left: usize, forgotten: usize, fresh_before: usize) {
        self.known.set(left);
        self.fresh.set(self.fresh.get() - fresh_before);
        self.forgotten.add(forgotten as u64);
    }

    /// Let in since the last look.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh.get()
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.get()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.get()
    }
}
