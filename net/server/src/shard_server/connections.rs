//! The connections of one shard.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::Signal;
use rustc_hash::FxHashMap;

use crate::conn::connection::Connection;

/// The open connections of one shard by number.
#[derive(Default)]
pub(super) struct ConnectionTable {
    open: RefCell<FxHashMap<u64, Rc<Connection>>>,
    next_number: Cell<u64>,
    left: Signal,
}

impl ConnectionTable {
    /// Adds a connection and returns its number.
    pub(super) fn enter(&self, connection: &Rc<Connection>) -> u64 {
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        self.open.borrow_mut().insert(number, connection.clone());
        number
    }

    pub(super) fn leave(&self, number: u64) {
        self.open.borrow_mut().remove(&number);
        self.left.notify_all();
    }

    pub(super) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }

    pub(super) fn for_each(&self, mut act: impl FnMut(&Connection)) {
        self.open.borrow().values().for_each(|connection| act(connection));
    }

    /// Waits until a connection leaves, at most for `patience`.
    pub(super) async fn wait_for_leaving(&self, patience: Duration) {
        millrace_rt::timeout(patience, self.left.wait()).await;
    }
}
