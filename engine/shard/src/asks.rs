//! Asks of other shards that may have to wait for the disk, in the order in which they came.

use std::cell::RefCell;
use std::collections::VecDeque;

use millrace_rt::{Respond, Signal};

use crate::message::{Answer, Ask};

/// Asks that may wait for the disk.
#[derive(Default)]
pub(crate) struct SlowAsks {
    asks: RefCell<VecDeque<(Ask, Respond<Answer>)>>,
    came: Signal,
}

impl SlowAsks {
    pub(crate) fn push(&self, ask: Ask, respond: Respond<Answer>) {
        self.asks.borrow_mut().push_back((ask, respond));
        self.came.notify_all();
    }

    /// Asks that nobody serves yet.
    pub(crate) fn queued(&self) -> usize {
        self.asks.borrow().len()
    }

    pub(crate) async fn next(&self) -> (Ask, Respond<Answer>) {
        loop {
            let ask = self.asks.borrow_mut().pop_front();
            match ask {
                Some(ask) => return ask,
                None => self.came.wait().await,
            }
        }
    }
}
