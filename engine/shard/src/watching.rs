//! Readers come into the lists of the partitions that they wait for, and leave them.

use std::rc::Rc;

use millrace_core::base::ids::{Offset, PartitionKey};

use crate::message::{WatchAsk, WatchId};
use crate::shard::Core;
use crate::watch::{Listing, Waiter, Watch};

impl Core {
    /// Lists a reader in each partition, or fires it at once where something changed since it was asked for.
    pub(crate) fn watch(&self, ask: WatchAsk, waiter: Waiter) -> Listing {
        self.forget_fired();
        let WatchAsk { id, partitions, bytes } = ask;
        if self.purgatory.list(id, partitions.iter().map(|(key, _)| *key).collect()) == Listing::Refused {
            waiter.refuse();
            return Listing::Refused;
        }
        let watch = Watch::new(id, bytes, waiter, &self.purgatory);
        if !partitions.iter().all(|(key, seen)| self.add_watch(*key, *seen, &watch)) {
            watch.fire();
        }
        Listing::Listed
    }

    /// False where the partition is gone, or has more than was seen.
    fn add_watch(&self, key: PartitionKey, seen: Offset, watch: &Rc<Watch>) -> bool {
        let Some(partition) = self.table.get(key) else { return false };
        let mut partition = partition.borrow_mut();
        if partition.high_watermark != seen {
            return false;
        }
        partition.watches.add(Rc::clone(watch));
        true
    }

    /// A reader does not wait any more.
    pub(crate) fn unwatch(&self, id: WatchId) {
        self.forget_fired();
        self.take_off(id);
    }

    fn forget_fired(&self) {
        self.purgatory.take_fired().into_iter().for_each(|id| self.take_off(id));
    }

    fn take_off(&self, id: WatchId) {
        for key in self.purgatory.take_off(id).into_iter().flatten() {
            if let Some(partition) = self.table.get(key) {
                partition.borrow_mut().watches.take_off(id);
            }
        }
    }
}
