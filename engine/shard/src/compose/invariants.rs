//! What is checked after every turn of a shard's tasks in a simulated world.

use std::cell::Cell;
use std::rc::Rc;

use crate::commit::queue::Commit;
use crate::groups::host::GroupHost;
use crate::partition::parts::PartitionParts;

/// Things that are looked at after each turn. Where a shard has more, all of them are looked at once in as
/// many turns as keep the cost of a turn the same.
const LOOKED_AT_A_TURN: usize = 64;

/// The invariants of one shard.
pub(super) struct Invariants {
    pub(super) partitions: Rc<PartitionParts>,
    pub(super) commit: Rc<Commit>,
    pub(super) groups: Rc<GroupHost>,
    pub(super) turns: Cell<usize>,
}

impl Invariants {
    /// Has them checked from now on.
    pub(super) fn watch(self) {
        millrace_rt::check_each_turn(move || self.check());
    }

    fn check(&self) {
        let size = self.partitions.table.len() + self.commit.waiting_appends() + self.groups.groups.count();
        self.turns.set(self.turns.get() + 1);
        if self.turns.get().is_multiple_of(size / LOOKED_AT_A_TURN + 1) {
            self.partitions.table.check_whole();
            self.partitions.tails.check_whole(&self.partitions.table);
            self.commit.check_whole();
            self.groups.check_whole();
        }
    }
}
