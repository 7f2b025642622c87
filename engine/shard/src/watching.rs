//! Readers come into the lists of the partitions that they wait for, and leave them.

use std::rc::Rc;

use crate::message::{WatchAsk, WatchId};
use crate::shard::Core;
use crate::watch::{Waiter, Watch};

impl Core {
    /// Lists a reader in each partition, or fires it at once where something changed since it was asked for.
    pub(crate) fn watch(&self, ask: WatchAsk, waiter: Waiter) {
        self.forget_fired();
        let WatchAsk { id, partitions, bytes } = ask;
        let watch = Watch::new(id, bytes, waiter, &self.purgatory);
        if !self.purgatory.list(id, partitions.iter().map(|(key, _)| *key).collect()) {
            // It hears at the end of its wait what it would have heard before.
            return;
        }
        for (key, seen) in &partitions {
            let Some(partition) = self.table.get(*key) else { return watch.fire() };
            let mut partition = partition.borrow_mut();
            if partition.high_watermark != *seen {
                return watch.fire();
            }
            partition.watches.add(Rc::clone(&watch));
        }
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
