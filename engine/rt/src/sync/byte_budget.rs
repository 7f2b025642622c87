//! A budget of bytes that tasks of one shard share: those that find too few of them wait in line.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::clock::{now, timeout};
use crate::moment::Moment;
use crate::sync::signal::Signal;

/// Lives on one shard. Tasks that wait in line are served in the order in which they came, so a task that
/// wants many bytes is not starved by tasks that want few. Taking bytes that are free allocates nothing.
pub struct ByteBudget {
    bytes_max: u64,
    in_use: Cell<u64>,
    /// The tickets of those that wait, in order.
    line: RefCell<VecDeque<u64>>,
    tickets: Cell<u64>,
    changed: Signal,
    waits: Cell<u64>,
}

/// Bytes taken from a budget. Dropping it gives them back.
pub struct ByteCharge {
    budget: Rc<ByteBudget>,
    bytes: u64,
}

/// A place in the line. Dropping it leaves the line.
struct LinePlace<'a> {
    budget: &'a ByteBudget,
    ticket: u64,
}

impl ByteBudget {
    pub fn new(bytes_max: u64) -> Rc<ByteBudget> {
        Rc::new(ByteBudget {
            bytes_max,
            in_use: Cell::new(0),
            line: RefCell::new(VecDeque::new()),
            tickets: Cell::new(0),
            changed: Signal::new(),
            waits: Cell::new(0),
        })
    }

    /// Takes `bytes` even if they are not free: the budget may be exceeded.
    pub fn charge(self: &Rc<Self>, bytes: u64) -> ByteCharge {
        self.in_use.set(self.in_use.get() + bytes);
        ByteCharge { budget: Rc::clone(self), bytes }
    }

    /// Takes `bytes` if they are free and no task waits in line.
    pub fn try_charge(self: &Rc<Self>, bytes: u64) -> Option<ByteCharge> {
        let is_free = self.line.borrow().is_empty() && self.has_room(self.in_use.get(), bytes);
        is_free.then(|| self.charge(bytes))
    }

    /// Takes `bytes` as soon as they are free, waiting in line.
    /// Callers never want more than the whole budget.
    ///
    /// Dropping the future leaves the line.
    pub async fn wait_for(self: &Rc<Self>, bytes: u64) -> ByteCharge {
        assert!(bytes <= self.bytes_max, "no more than the whole budget is wanted");
        let grant = |in_use| self.has_room(in_use, bytes).then_some((bytes, ()));
        match self.reserve(None, grant).await {
            Some((charge, ())) => charge,
            None => unreachable!("a wait without a deadline ends with a charge"),
        }
    }

    /// Takes as many bytes as `grant` allows when this task is the first in line. `grant` is given the bytes
    /// in use. It returns the bytes to take and a value for the caller, or `None` if the task has to wait on.
    /// Returns `None` if there was no grant by the deadline.
    ///
    /// Dropping the future leaves the line.
    pub async fn reserve_by<G>(
        self: &Rc<Self>,
        deadline: Moment,
        grant: impl Fn(u64) -> Option<(u64, G)>,
    ) -> Option<(ByteCharge, G)> {
        self.reserve(Some(deadline), grant).await
    }

    /// Waits until `is_enough` accepts the bytes in use. It takes no place in the line and no bytes.
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn wait_until(&self, is_enough: impl Fn(u64) -> bool) {
        if is_enough(self.in_use.get()) {
            return;
        }
        self.count_wait();
        while !is_enough(self.in_use.get()) {
            self.changed.wait().await;
        }
    }

    /// Whether a task waits in line.
    pub fn has_line(&self) -> bool {
        !self.line.borrow().is_empty()
    }

    /// The bytes in use.
    pub fn bytes(&self) -> u64 {
        self.in_use.get()
    }

    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// The number of times that a task had to wait.
    pub fn waits(&self) -> u64 {
        self.waits.get()
    }

    async fn reserve<G>(
        self: &Rc<Self>,
        deadline: Option<Moment>,
        grant: impl Fn(u64) -> Option<(u64, G)>,
    ) -> Option<(ByteCharge, G)> {
        let granted = |(bytes, value)| Some((self.charge(bytes), value));
        if !self.has_line()
            && let Some(found) = grant(self.in_use.get())
        {
            return granted(found);
        }
        self.count_wait();
        let place = self.join_line();
        loop {
            let changed = self.changed.wait();
            if place.is_first()
                && let Some(found) = grant(self.in_use.get())
            {
                return granted(found);
            }
            let Some(deadline) = deadline else {
                changed.await;
                continue;
            };
            let left = deadline - now();
            if left.is_zero() {
                return None;
            }
            timeout(left, changed).await;
        }
    }

    fn join_line(&self) -> LinePlace<'_> {
        let ticket = self.tickets.get();
        self.tickets.set(ticket + 1);
        self.line.borrow_mut().push_back(ticket);
        LinePlace { budget: self, ticket }
    }

    fn has_room(&self, in_use: u64, bytes: u64) -> bool {
        in_use.saturating_add(bytes) <= self.bytes_max
    }

    fn count_wait(&self) {
        self.waits.set(self.waits.get() + 1);
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

impl ByteCharge {
    /// Changes how many bytes are held, even if more are not free.
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

impl Drop for ByteCharge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

impl LinePlace<'_> {
    fn is_first(&self) -> bool {
        self.budget.line.borrow().front() == Some(&self.ticket)
    }
}

impl Drop for LinePlace<'_> {
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
