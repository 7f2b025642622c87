//! The purgatory of one shard: fetches that wait until more bytes are visible in their partitions,
//! each until it goes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use millrace_core::base::ids::{Offset, PartitionKey};
use millrace_core::base::measure::Counter;
use rustc_hash::FxHashMap;

use crate::mesh::requests::{DelayedFetchId, DelayedFetchRequest};
use crate::partition::delayed_fetch::{DelayedFetch, Fired, Waiter};
use crate::partition::table::Table;

/// Whether there is a place for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    Listed,
    Refused,
}

/// The readers that wait for partitions of one shard. Always: who is listed in a partition is known here,
/// with all its partitions, until it is taken off every list: when it goes, or, once it fired,
/// before the next is listed.
pub(crate) struct Purgatory {
    table: Rc<Table>,
    /// Of the shard's own connections.
    numbers: Cell<u64>,
    listed: RefCell<FxHashMap<DelayedFetchId, Vec<PartitionKey>>>,
    fired: Fired,
    /// What those who wait take, and the most that they may.
    bytes: Cell<usize>,
    bytes_max: usize,
    refused: Counter,
}

/// What one partition takes in its list of readers and in its reader's list of partitions,
/// where the partition is.
const PLACE_BYTES: usize = 80;
/// What one partition of a fetch takes where the fetch waits: as the client named it, and as it is read.
const HELD_BYTES: usize = 176;

impl Purgatory {
    pub(crate) fn new(table: Rc<Table>, bytes_max: usize) -> Purgatory {
        Purgatory {
            table,
            numbers: Cell::default(),
            listed: RefCell::default(),
            fired: Fired::default(),
            bytes: Cell::new(0),
            bytes_max,
            refused: Counter::default(),
        }
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// Memory for a fetch of this shard while it waits; nothing where there is none.
    pub(crate) fn hold(&self, partitions: usize) -> Option<FetchMemory<'_>> {
        let bytes = partitions * HELD_BYTES;
        self.take(bytes).then(|| FetchMemory { purgatory: self, bytes })
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = self.bytes.get() + bytes;
        let has_room = taken <= self.bytes_max;
        match has_room {
            true => self.bytes.set(taken),
            false => self.refused.increment(),
        }
        has_room
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() - bytes);
    }

    /// Where there is no room the reader is not listed.
    fn list(&self, id: DelayedFetchId, keys: Vec<PartitionKey>) -> Listing {
        if !self.take(keys.len() * PLACE_BYTES) {
            return Listing::Refused;
        }
        self.listed.borrow_mut().insert(id, keys);
        Listing::Listed
    }

    /// Where a reader that waits no more is still listed.
    fn unlist(&self, id: DelayedFetchId) -> Option<Vec<PartitionKey>> {
        let keys = self.listed.borrow_mut().remove(&id)?;
        self.give_back(keys.len() * PLACE_BYTES);
        Some(keys)
    }

    /// Lists a reader in each partition, or fires it at once where something changed since it was asked for.
    pub(crate) fn delay(&self, request: DelayedFetchRequest, waiter: Waiter) -> Listing {
        self.forget_fired();
        let DelayedFetchRequest { id, partitions, bytes } = request;
        if self.list(id, partitions.iter().map(|(key, _)| *key).collect()) == Listing::Refused {
            waiter.refuse();
            return Listing::Refused;
        }
        let fetch = DelayedFetch::new(id, bytes, waiter, &self.fired);
        if !partitions.iter().all(|(key, seen)| self.add_to(*key, *seen, &fetch)) {
            fetch.fire();
        }
        Listing::Listed
    }

    /// False where the partition is gone, or has more than was seen.
    fn add_to(&self, key: PartitionKey, seen: Offset, fetch: &Rc<DelayedFetch>) -> bool {
        let Some(partition) = self.table.get(key) else { return false };
        let mut partition = partition.borrow_mut();
        if partition.ends.high_watermark != seen {
            return false;
        }
        partition.delayed_fetches.add(Rc::clone(fetch));
        true
    }

    /// A reader does not wait any more.
    pub(crate) fn cancel(&self, id: DelayedFetchId) {
        self.forget_fired();
        self.take_off(id);
    }

    fn forget_fired(&self) {
        self.fired.take().into_iter().for_each(|id| self.take_off(id));
    }

    fn take_off(&self, id: DelayedFetchId) {
        for key in self.unlist(id).into_iter().flatten() {
            if let Some(partition) = self.table.get(key) {
                partition.borrow_mut().delayed_fetches.take_off(id);
            }
        }
    }

    /// Readers for which there was no place, since all of them would take too much memory.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Readers that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.listed.borrow().len() - self.fired.borrow().len()
    }
}

/// Memory of a fetch while it waits.
pub(crate) struct FetchMemory<'a> {
    purgatory: &'a Purgatory,
    bytes: usize,
}

impl Drop for FetchMemory<'_> {
    fn drop(&mut self) {
        self.purgatory.give_back(self.bytes);
    }
}
