//! The memory that answers of one shard's connections hold until their peers have taken them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use millrace_core::base::egress::{
    EGRESS_BYTES_MIN, EgressGrant, GrantKind, egress_admits_others, egress_grant, egress_is_short,
};
use millrace_core::base::measure::Counter;
use millrace_rt::{Moment, Signal};

use crate::device::disk_classes::DiskClasses;

/// While commits come and go: 0.01 ms. Sends of 128 KiB made commits beside a reader take 1.6 times as long
/// at their 90th percentile, and brought the reader a seventh less.
const SEND_BYTES_BESIDE_COMMITS: usize = 32 * 1024;
/// While none do: 0.15 ms. A reader of memory gets 4.3 to 5.3 GB/s in sends of 640 KiB to 1 MiB, 3.8 in
/// shorter ones, which wake it more often, and 3.7 in those of a whole answer, which is cold when it is read.
const SEND_BYTES: usize = 768 * 1024;

/// Lives on one shard, shared by its connections. Fetches that find no room wait in line,
/// so that none is starved.
pub struct EgressBudget {
    classes: Rc<DiskClasses>,
    bytes_max: u64,
    in_use: Cell<u64>,
    line: RefCell<VecDeque<u64>>,
    tickets: Cell<u64>,
    changed: Signal,
    /// Fetches that got a part of what they asked for.
    cut: Counter,
    /// Fetches that shrank to one batch.
    single: Counter,
    /// Requests that waited for room.
    waits: Counter,
}

/// One budget at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct EgressStats {
    pub bytes: u64,
    pub bytes_max: u64,
    pub cut: u64,
    pub single: u64,
    pub waits: u64,
}

/// Bytes of the budget that an answer holds until this is dropped.
pub struct EgressCharge {
    budget: Rc<EgressBudget>,
    bytes: u64,
}

/// A place in the line, left when dropped.
struct Place<'a> {
    budget: &'a EgressBudget,
    ticket: u64,
}

impl EgressBudget {
    pub(crate) fn new(bytes_max: u64, classes: Rc<DiskClasses>) -> Rc<EgressBudget> {
        Rc::new(EgressBudget {
            classes,
            bytes_max: bytes_max.max(EGRESS_BYTES_MIN),
            in_use: Cell::new(0),
            line: RefCell::default(),
            tickets: Cell::new(0),
            changed: Signal::new(),
            cut: Counter::default(),
            single: Counter::default(),
            waits: Counter::default(),
        })
    }

    /// The most that one send may take of a turn: the kernel copies it before the turn goes on.
    pub(crate) fn send_bytes_max(&self) -> usize {
        match self.classes.are_commits_active() {
            true => SEND_BYTES_BESIDE_COMMITS,
            false => SEND_BYTES,
        }
    }

    /// Counts an answer that is there whatever is free.
    pub fn charge(self: &Rc<Self>, bytes: u64) -> EgressCharge {
        self.in_use.set(self.in_use.get() + bytes);
        EgressCharge { budget: Rc::clone(self), bytes }
    }

    /// Waits until a request other than a fetch may begin. Dropping the future leaves nothing behind.
    pub async fn until_room(&self) {
        if egress_admits_others(self.bytes_max, self.in_use.get()) {
            return;
        }
        self.waits.increment();
        while !egress_admits_others(self.bytes_max, self.in_use.get()) {
            self.changed.wait().await;
        }
    }

    /// Whether peers that take nothing are in the way of others.
    pub fn is_short(&self) -> bool {
        egress_is_short(self.bytes_max, self.in_use.get())
    }

    pub fn stats(&self) -> EgressStats {
        EgressStats {
            bytes: self.in_use.get(),
            bytes_max: self.bytes_max,
            cut: self.cut.get(),
            single: self.single.get(),
            waits: self.waits.get(),
        }
    }

    /// Takes room for a fetch that wants so many bytes; nothing if there is none by the deadline.
    /// Dropping the future leaves the line.
    pub(crate) async fn reserve(
        self: &Rc<Self>,
        wanted: u64,
        deadline: Moment,
    ) -> Option<(EgressGrant, EgressCharge)> {
        if self.line.borrow().is_empty()
            && let Some(grant) = self.grant(wanted)
        {
            return Some(self.take(grant));
        }
        self.waits.increment();
        let ticket = self.tickets.get();
        self.tickets.set(ticket + 1);
        self.line.borrow_mut().push_back(ticket);
        let _place = Place { budget: self, ticket };
        loop {
            let changed = self.changed.wait();
            if self.line.borrow().front() == Some(&ticket)
                && let Some(grant) = self.grant(wanted)
            {
                return Some(self.take(grant));
            }
            let left = deadline - millrace_rt::now();
            if left.is_zero() {
                return None;
            }
            millrace_rt::timeout(left, changed).await;
        }
    }

    fn grant(&self, wanted: u64) -> Option<EgressGrant> {
        egress_grant(self.bytes_max, self.in_use.get(), wanted)
    }

    fn take(self: &Rc<Self>, grant: EgressGrant) -> (EgressGrant, EgressCharge) {
        match grant.kind {
            GrantKind::Whole => {}
            GrantKind::Cut => self.cut.increment(),
            GrantKind::Single => self.single.increment(),
        }
        (grant, self.charge(grant.bytes))
    }

    fn give_back(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let in_use = self.in_use.get();
        assert!(in_use >= bytes, "a charge is given back once");
        self.in_use.set(in_use - bytes);
        self.changed.notify_all();
    }
}

impl EgressCharge {
    /// The answer turned out to hold so many bytes.
    pub fn resize(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            self.budget.in_use.set(self.budget.in_use.get() + (bytes - before));
        } else {
            self.budget.give_back(before - bytes);
        }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for EgressCharge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.line.borrow_mut().retain(|ticket| *ticket != self.ticket);
        self.budget.changed.notify_all();
    }
}
