//! The current shard: what one core owns of the runtime, and the one thread-local that finds it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

use crate::kernel::Kernel;
use crate::memory::block::Home;
use crate::memory::payload::Copies;
use crate::moment::Moment;
use crate::submission::operation::{Answer, Operation};
use crate::submission::remote::Remote;
use crate::submission::slots::{Abandoned, SlotId, Slots};
use crate::timers::Timers;

/// Which shard this is, and of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    pub shard: u16,
    pub shards: u16,
}

/// Something that other threads change and that the shard looks at when its bell was rung.
pub(crate) trait Attend {
    fn attend(&self);
}

pub(crate) struct Shard {
    pub(crate) kernel: Kernel,
    pub(crate) slots: Rc<Slots>,
    pub(crate) timers: Timers,
    pub(crate) home: Arc<Home>,
    pub(crate) remote: Arc<Remote>,
    pub(crate) copies: Copies,
    attendants: RefCell<Vec<Weak<dyn Attend>>>,
    /// What must hold whenever no task runs; asked in a simulated world only.
    invariants: RefCell<Option<Box<dyn Fn()>>>,
    random: RefCell<Xoshiro256PlusPlus>,
}

/// The parts a shard is made of.
pub(crate) struct Parts {
    pub(crate) kernel: Kernel,
    pub(crate) slots: Rc<Slots>,
    pub(crate) home: Arc<Home>,
    pub(crate) remote: Arc<Remote>,
    pub(crate) random: Xoshiro256PlusPlus,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Shard>>> = const { RefCell::new(None) };
}

/// The shard this code runs on. Calling runtime functions anywhere else is a bug.
pub(crate) fn current() -> Rc<Shard> {
    match try_current() {
        Some(shard) => shard,
        None => panic!("this needs a shard: call it inside rt::run or a simulated world"),
    }
}

pub(crate) fn try_current() -> Option<Rc<Shard>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Makes `shard` current; returns the one before.
pub(crate) fn swap_current(shard: Option<Rc<Shard>>) -> Option<Rc<Shard>> {
    CURRENT.with(|current| current.replace(shard))
}

impl Shard {
    pub(crate) fn new(parts: Parts) -> Rc<Shard> {
        Rc::new(Shard {
            kernel: parts.kernel,
            slots: parts.slots,
            timers: Timers::default(),
            home: parts.home,
            remote: parts.remote,
            copies: Copies::default(),
            attendants: RefCell::default(),
            invariants: RefCell::default(),
            random: RefCell::new(parts.random),
        })
    }

    pub(crate) fn now(&self) -> Moment {
        self.kernel.now()
    }

    pub(crate) fn random_u64(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    pub(crate) fn add_attendant(&self, attendant: Weak<dyn Attend>) {
        let mut attendants = self.attendants.borrow_mut();
        attendants.retain(|known| known.strong_count() > 0);
        attendants.push(attendant);
    }

    /// Looks at everything that other threads may have changed; says whether they rang at all.
    pub(crate) fn attend(&self) -> bool {
        if !self.remote.was_rung() {
            return false;
        }
        for (id, answer) in self.remote.take_completions() {
            self.slots.complete(id, answer);
        }
        let attendants: Vec<_> = self.attendants.borrow().iter().filter_map(Weak::upgrade).collect();
        for attendant in attendants {
            attendant.attend();
        }
        true
    }

    /// Panics where something does not hold that must.
    pub(crate) fn check(&self) {
        if let Some(check) = &*self.invariants.borrow() {
            check();
        }
    }

    pub(crate) fn set_invariants(&self, check: Option<Box<dyn Fn()>>) {
        *self.invariants.borrow_mut() = check;
    }

    /// Starts an operation. It runs even if the future is never polled.
    pub(crate) fn start(self: &Rc<Self>, operation: Operation) -> Pending {
        let id = self.slots.insert(operation);
        self.kernel.submit(id);
        Pending { shard: Rc::clone(self), id, finished: false }
    }

    /// The same, and the kernel has it when this returns.
    pub(crate) fn start_at_once(self: &Rc<Self>, operation: Operation) -> Pending {
        let pending = self.start(operation);
        self.kernel.hand_over();
        pending
    }
}

/// An operation in flight. Dropping it cancels the operation;
/// its slot keeps all memory until the kernel is done.
pub(crate) struct Pending {
    shard: Rc<Shard>,
    id: SlotId,
    finished: bool,
}

impl Pending {
    pub(crate) fn slot(&self) -> SlotId {
        self.id
    }
}

impl Future for Pending {
    type Output = (Operation, Answer);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.finished, "an operation was polled after its end");
        match self.shard.slots.poll(self.id, cx.waker()) {
            Some(end) => {
                self.finished = true;
                Poll::Ready(end)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.finished && self.shard.slots.abandon(self.id) == Abandoned::InFlight {
            self.shard.kernel.cancel(self.id);
        }
    }
}
