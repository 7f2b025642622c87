//! Readers come into the lists of the partitions that they wait for, and leave them.

use std::rc::Rc;

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
        for (key, seen) in &partitions {
            let partition = self.table.get(*key);
            let mut partition = partition.as_ref().map(|partition| partition.borrow_mut());
            match partition.as_mut().filter(|partition| partition.high_watermark == *seen) {
                Some(partition) => partition.watches.add(Rc::clone(&watch)),
                None => {
                    watch.fire();
                    break;
                }
            }
        }
        Listing::Listed
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
