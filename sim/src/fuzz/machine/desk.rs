//! Where the client puts what came of a frame, for the run to judge.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

/// How a frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    Closed,
    Silent,
    Waiting,
    Half,
}

/// One frame, with what it brought back.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) frame: Bytes,
    pub(super) fate: Fate,
    /// Of its answer.
    pub(super) answer_bytes: usize,
}

/// Shared by the client and the run, on one thread.
#[derive(Default)]
pub(super) struct Desk {
    finished: Cell<Option<Finished>>,
    violation: RefCell<Option<String>>,
    all_sent: Cell<bool>,
    again: Cell<bool>,
}

impl Desk {
    pub(super) fn put(&self, finished: Finished) {
        self.finished.set(Some(finished));
    }

    pub(super) fn take(&self) -> Option<Finished> {
        self.finished.take()
    }

    /// The last frame is to be sent once more.
    pub(super) fn ask_again(&self) {
        self.again.set(true);
    }

    pub(super) fn take_again(&self) -> bool {
        self.again.take()
    }

    /// The first is kept.
    pub(super) fn violate(&self, what: String) {
        self.violation.borrow_mut().get_or_insert(what);
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    pub(super) fn end(&self) {
        self.all_sent.set(true);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.all_sent.get()
    }

    /// Whether the run has something to look at.
    pub(super) fn has_news(&self) -> bool {
        let finished = self.finished.take();
        let is_there = finished.is_some();
        self.finished.set(finished);
        is_there || self.has_ended() || self.violation.borrow().is_some()
    }
}
