//! Operation slots: each operation in flight, with everything it owns, until the kernel is done with it.

use std::cell::RefCell;
use std::task::Waker;

use crate::submission::operation::{Answer, Operation};

/// Names one use of one slot; a slot that is used again has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId {
    index: u32,
    generation: u32,
}

/// Generations stay below this, so that the ring can keep tokens of its own above.
const GENERATION_LIMIT: u32 = 1 << 31;

impl SlotId {
    pub(crate) fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_token(token: u64) -> SlotId {
        #[expect(clippy::cast_possible_truncation, reason = "both halves are cut out on purpose")]
        SlotId { index: token as u32, generation: (token >> 32) as u32 }
    }
}

enum Phase {
    Running(Option<Waker>),
    /// The future is gone; the kernel still uses the operation's memory.
    Abandoned,
    Finished(Answer),
}

struct Slot {
    operation: Operation,
    phase: Phase,
}

#[derive(Default)]
struct Entry {
    generation: u32,
    slot: Option<Slot>,
}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Table {
    fn slot(&mut self, id: SlotId) -> Option<&mut Slot> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.generation == id.generation { entry.slot.as_mut() } else { None }
    }

    fn remove(&mut self, id: SlotId) -> Option<Slot> {
        let entry = self.entries.get_mut(id.index as usize).filter(|e| e.generation == id.generation)?;
        let slot = entry.slot.take()?;
        entry.generation = (entry.generation + 1) % GENERATION_LIMIT;
        self.free.push(id.index);
        Some(slot)
    }
}

/// All operations of one shard. Nothing is dropped while the table is borrowed:
/// dropping an operation may come back here.
#[derive(Default)]
pub(crate) struct Slots(RefCell<Table>);

/// What became of an operation whose future was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// The kernel still owns it: ask for its cancellation.
    InFlight,
    Gone,
}

impl Slots {
    pub(crate) fn insert(&self, operation: Operation) -> SlotId {
        let mut table = self.0.borrow_mut();
        let slot = Some(Slot { operation, phase: Phase::Running(None) });
        if let Some(index) = table.free.pop()
            && let Some(entry) = table.entries.get_mut(index as usize)
        {
            entry.slot = slot;
            return SlotId { index, generation: entry.generation };
        }
        let index = u32::try_from(table.entries.len()).unwrap_or(u32::MAX);
        assert!(index < u32::MAX, "operations in flight are bounded by memory long before");
        table.entries.push(Entry { generation: 0, slot });
        SlotId { index, generation: 0 }
    }

    /// Lets the kernel look at an operation in flight; nothing if it is over.
    pub(crate) fn with<T>(&self, id: SlotId, look: impl FnOnce(&mut Operation) -> T) -> Option<T> {
        let mut table = self.0.borrow_mut();
        let slot = table.slot(id)?;
        match slot.phase {
            Phase::Finished(_) => None,
            Phase::Running(_) | Phase::Abandoned => Some(look(&mut slot.operation)),
        }
    }

    /// The kernel is done with the operation. A completion of a slot that is not in flight is ignored.
    pub(crate) fn complete(&self, id: SlotId, answer: Answer) {
        let mut table = self.0.borrow_mut();
        let Some(slot) = table.slot(id) else { return };
        match std::mem::replace(&mut slot.phase, Phase::Abandoned) {
            Phase::Running(waker) => {
                slot.phase = Phase::Finished(answer);
                drop(table);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Phase::Abandoned => {
                let gone = table.remove(id);
                drop(table);
                drop((gone, answer));
            }
            finished @ Phase::Finished(_) => slot.phase = finished,
        }
    }

    /// The answer and the operation, once finished; otherwise `waker` is called on completion.
    pub(crate) fn poll(&self, id: SlotId, waker: &Waker) -> Option<(Operation, Answer)> {
        let mut table = self.0.borrow_mut();
        let slot = table.slot(id)?;
        if let Phase::Running(known) = &mut slot.phase {
            match known {
                Some(known) if known.will_wake(waker) => {}
                other => *other = Some(waker.clone()),
            }
            return None;
        }
        let slot = table.remove(id)?;
        match slot.phase {
            Phase::Finished(answer) => Some((slot.operation, answer)),
            Phase::Running(_) | Phase::Abandoned => None,
        }
    }

    /// The future that waited is gone.
    pub(crate) fn abandon(&self, id: SlotId) -> Abandoned {
        let mut table = self.0.borrow_mut();
        let Some(slot) = table.slot(id) else { return Abandoned::Gone };
        let in_kernel =
            matches!(slot.phase, Phase::Running(_)) && !matches!(slot.operation, Operation::Outside);
        if in_kernel {
            let before = std::mem::replace(&mut slot.phase, Phase::Abandoned);
            drop(table);
            drop(before);
            return Abandoned::InFlight;
        }
        let gone = table.remove(id);
        drop(table);
        drop(gone);
        Abandoned::Gone
    }

    /// Operations that the kernel has not finished.
    pub(crate) fn in_flight(&self) -> Vec<SlotId> {
        let table = self.0.borrow();
        let mut ids = Vec::new();
        for (index, entry) in (0u32..).zip(&table.entries) {
            let kernel_has_it = entry.slot.as_ref().is_some_and(|slot| {
                !matches!(slot.phase, Phase::Finished(_)) && !matches!(slot.operation, Operation::Outside)
            });
            if kernel_has_it {
                ids.push(SlotId { index, generation: entry.generation });
            }
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submission::operation::Outcome;

    #[test]
    fn a_stale_completion_does_not_touch_the_next_user_of_a_slot() {
        let slots = Slots::default();
        let waker = Waker::noop();
        let first = slots.insert(Operation::Disk(None));
        slots.complete(first, Ok(Outcome::Count(1)));
        assert!(slots.poll(first, waker).is_some());
        let second = slots.insert(Operation::Disk(None));
        assert_ne!(first, second);
        slots.complete(first, Ok(Outcome::Count(2)));
        assert!(slots.poll(second, waker).is_none());
        assert_eq!(SlotId::from_token(second.token()), second);
    }

    #[test]
    fn an_abandoned_operation_stays_until_its_completion() {
        let slots = Slots::default();
        let id = slots.insert(Operation::Disk(None));
        assert_eq!(slots.abandon(id), Abandoned::InFlight);
        assert_eq!(slots.in_flight(), vec![id]);
        slots.complete(id, Ok(Outcome::Count(0)));
        assert!(slots.in_flight().is_empty());
        let outside = slots.insert(Operation::Outside);
        assert_eq!(slots.abandon(outside), Abandoned::Gone);
    }
}
