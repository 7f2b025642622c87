//! What all partitions of a shard share.

use std::rc::Rc;

use crate::partition::producers::ProducerBound;
use crate::partition::purgatory::Purgatory;
use crate::partition::rolled::RolledPartitions;
use crate::partition::table::Table;
use crate::partition::tail_memory::TailMemory;
use crate::partition::unreleased::Unreleased;

pub(crate) struct PartitionParts {
    pub(crate) table: Rc<Table>,
    pub(crate) tails: Rc<TailMemory>,
    pub(crate) unreleased: Rc<Unreleased>,
    pub(crate) rolled: Rc<RolledPartitions>,
    pub(crate) purgatory: Rc<Purgatory>,
    pub(crate) producers: Rc<ProducerBound>,
}

/// What of a shard's memory each may take, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartitionBounds {
    pub(crate) tails: usize,
    pub(crate) delayed_fetches: usize,
    pub(crate) producers: usize,
}

impl PartitionParts {
    pub(crate) fn new(bounds: PartitionBounds) -> PartitionParts {
        let table: Rc<Table> = Rc::default();
        PartitionParts {
            tails: Rc::new(TailMemory::new(bounds.tails)),
            unreleased: Rc::default(),
            rolled: Rc::default(),
            purgatory: Rc::new(Purgatory::new(Rc::clone(&table), bounds.delayed_fetches)),
            producers: Rc::new(ProducerBound::new(bounds.producers)),
            table,
        }
    }
}
