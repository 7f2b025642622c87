//! The memory that request frames of one shard may hold; a connection that finds no room is not read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use millrace_core::base::measure::Counter;
use millrace_rt::Signal;

/// Lives on one shard, shared by its connections. Those that wait are served in the order they came, so that a large
/// frame is not starved by small ones.
pub(crate) struct RequestBudget {
    bytes_max: u64,
    in_use: Cell<u64>,
    line: RefCell<VecDeque<u64>>,
    tickets: Cell<u64>,
    changed: Signal,
    waits: Counter,
}

/// Bytes taken from the budget until dropped.
pub(crate) struct Charge {
    budget: Rc<RequestBudget>,
    bytes: u64,
}

/// A place in the line, left when dropped.
struct Place<'a> {
    budget: &'a RequestBudget,
    ticket: u64,
}

impl RequestBudget {
    pub(crate) fn new(bytes_max: u64) -> Rc<RequestBudget> {
        Rc::new(RequestBudget {
            bytes_max,
            in_use: Cell::new(0),
            line: RefCell::new(VecDeque::new()),
            tickets: Cell::new(0),
            changed: Signal::new(),
            waits: Counter::default(),
        })
    }

    /// Takes `bytes` if they are free and nobody waits.
    pub(crate) fn try_charge(self: &Rc<Self>, bytes: u64) -> Option<Charge> {
        (self.line.borrow().is_empty() && self.has_room(bytes)).then(|| self.take(bytes))
    }

    /// Waits until `bytes` are free. More than the whole budget is never free: callers bound frames below it.
    /// Dropping the future leaves the line.
    pub(crate) async fn charge(self: &Rc<Self>, bytes: u64) -> Charge {
        assert!(bytes <= self.bytes_max, "a frame fits the budget");
        if let Some(charge) = self.try_charge(bytes) {
            return charge;
        }
        self.waits.increment();
        let ticket = self.tickets.get();
        self.tickets.set(ticket + 1);
        self.line.borrow_mut().push_back(ticket);
        let place = Place { budget: self, ticket };
        while self.line.borrow().front() != Some(&ticket) || !self.has_room(bytes) {
            self.changed.wait().await;
        }
        let charge = self.take(bytes);
        drop(place);
        charge
    }

    /// Whether a connection waits for memory, so that those that hold some without using it should be closed.
    pub(crate) fn is_short(&self) -> bool {
        !self.line.borrow().is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.in_use.get()
    }

    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Times that somebody had to wait.
    pub(crate) fn waits(&self) -> u64 {
        self.waits.get()
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.in_use.get().saturating_add(bytes) <= self.bytes_max
    }

    fn take(self: &Rc<Self>, bytes: u64) -> Charge {
        self.in_use.set(self.in_use.get() + bytes);
        Charge { budget: self.clone(), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let in_use = self.budget.in_use.get();
        assert!(in_use >= self.bytes, "a charge is given back once");
        self.budget.in_use.set(in_use - self.bytes);
        if self.budget.is_short() {
            self.budget.changed.notify_all();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut line = self.budget.line.borrow_mut();
        // Most leave from the head of the line, when their turn has come.
        match line.front() == Some(&self.ticket) {
            true => drop(line.pop_front()),
            false => line.retain(|ticket| *ticket != self.ticket),
        }
        drop(line);
        self.budget.changed.notify_all();
    }
}
