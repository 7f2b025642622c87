//! The partitions that one shard owns.

use std::cell::RefCell;
use std::rc::Rc;

use millrace_core::base::ids::PartitionKey;
use rustc_hash::FxHashMap;

use crate::partition::state::{Partition, PartitionRef};

/// The partitions that one shard owns.
#[derive(Default)]
pub(crate) struct Table {
    partitions: RefCell<FxHashMap<PartitionKey, PartitionRef>>,
    /// All of them in order, until one comes or goes.
    sorted: RefCell<Option<Rc<Vec<PartitionRef>>>>,
}

impl Table {
    pub(crate) fn get(&self, key: PartitionKey) -> Option<PartitionRef> {
        self.partitions.borrow().get(&key).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.borrow().len()
    }

    pub(crate) fn insert(&self, partition: Partition) {
        let key = partition.key;
        self.sorted.borrow_mut().take();
        self.partitions.borrow_mut().insert(key, Rc::new(RefCell::new(partition)));
    }

    pub(crate) fn remove(&self, key: PartitionKey) -> Option<PartitionRef> {
        self.sorted.borrow_mut().take();
        self.partitions.borrow_mut().remove(&key)
    }

    /// All partitions in the order of their keys, so that a seed replays.
    pub(crate) fn all(&self) -> Rc<Vec<PartitionRef>> {
        Rc::clone(self.sorted.borrow_mut().get_or_insert_with(|| {
            let mut all: Vec<_> =
                self.partitions.borrow().iter().map(|(key, it)| (*key, Rc::clone(it))).collect();
            all.sort_unstable_by_key(|(key, _)| *key);
            Rc::new(all.into_iter().map(|(_, partition)| partition).collect())
        }))
    }

    /// Looks at every partition that is still of the node. A removed one is nobody's any more.
    pub(crate) fn check_whole(&self) {
        for partition in self.all().iter() {
            partition.borrow().check_whole();
        }
    }
}
