//! A bare signal between tasks of one shard.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::sync::waiters::{Ticket, Waiters};

#[derive(Default)]
struct State {
    notified: u64,
    waiters: Waiters,
}

/// Wakes all who wait, each time it is notified. Clones share one state; it stays on its shard.
#[derive(Clone, Default)]
pub struct Signal {
    state: Rc<RefCell<State>>,
}

impl Signal {
    pub fn new() -> Signal {
        Signal::default()
    }

    /// Ends every wait that was begun before.
    pub fn notify_all(&self) {
        let mut state = self.state.borrow_mut();
        state.notified += 1;
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        waiters.wake_all();
    }

    /// Ends with the first notification after this call (not after the first poll), so a check between the
    /// call and the await loses nothing. May be dropped at any time.
    pub fn wait(&self) -> SignalWait {
        SignalWait { signal: self.clone(), seen: self.state.borrow().notified, ticket: None }
    }
}

/// One wait on a `Signal`.
#[must_use = "a wait does nothing unless awaited"]
pub struct SignalWait {
    signal: Signal,
    seen: u64,
    ticket: Option<Ticket>,
}

impl Future for SignalWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = Rc::clone(&self.signal.state);
        let mut state = state.borrow_mut();
        if state.notified != self.seen {
            // The notification took the whole list, and with it this ticket.
            self.ticket = None;
            return Poll::Ready(());
        }
        match self.ticket {
            Some(ticket) => state.waiters.renew(ticket, cx.waker()),
            None => self.ticket = Some(state.waiters.join(cx.waker())),
        }
        Poll::Pending
    }
}

impl Drop for SignalWait {
    fn drop(&mut self) {
        let mut state = self.signal.state.borrow_mut();
        if let Some(ticket) = self.ticket
            && state.notified == self.seen
        {
            state.waiters.leave(ticket);
        }
    }
}
