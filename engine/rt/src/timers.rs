//! The timers of one shard: deadlines in order, each with the waker of the future that sleeps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::task::Waker;

use crate::moment::Moment;

/// Names one sleeping future: its deadline, then the order of arrival.
pub(crate) type TimerKey = (Moment, u64);

#[derive(Default)]
struct Queue {
    issued: u64,
    sleeping: BTreeMap<TimerKey, Waker>,
}

/// Equal deadlines fire in the order in which they were set.
#[derive(Default)]
pub(crate) struct Timers(RefCell<Queue>);

impl Timers {
    pub(crate) fn set(&self, deadline: Moment, waker: &Waker) -> TimerKey {
        let mut queue = self.0.borrow_mut();
        queue.issued += 1;
        let key = (deadline, queue.issued);
        queue.sleeping.insert(key, waker.clone());
        key
    }

    /// False if the timer has fired.
    pub(crate) fn renew(&self, key: TimerKey, waker: &Waker) -> bool {
        let mut queue = self.0.borrow_mut();
        let Some(known) = queue.sleeping.get_mut(&key) else { return false };
        if !known.will_wake(waker) {
            known.clone_from(waker);
        }
        true
    }

    pub(crate) fn clear(&self, key: TimerKey) {
        let removed = self.0.borrow_mut().sleeping.remove(&key);
        drop(removed);
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.0.borrow().sleeping.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Wakes everything whose deadline has come; says whether there was any.
    pub(crate) fn fire(&self, now: Moment) -> bool {
        let mut fired = false;
        while let Some(waker) = self.pop_due(now) {
            waker.wake();
            fired = true;
        }
        fired
    }

    fn pop_due(&self, now: Moment) -> Option<Waker> {
        let mut queue = self.0.borrow_mut();
        let first = queue.sleeping.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
