//! The answers of one connection in request order, between the task that reads requests and the one that sends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use millrace_rt::{ByteCharge, Signal};
use millrace_shard::EgressCharge;

use crate::timings::{Spent, Trace};

/// Requests of one connection that may be under way at once. An idempotent client has five; plain ones pipeline
/// deeper, and past this their socket is not read until an answer leaves.
pub(crate) const PENDING_MAX: usize = 128;

/// What one request comes to.
pub(crate) enum Answer {
    /// A frame, in pieces for one vectored send.
    Frame(Vec<Bytes>),
    /// The request asked for no answer.
    Silent,
    /// The connection ends without an answer.
    Close,
}

impl Answer {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Answer::Frame(pieces) => pieces.iter().map(Bytes::len).sum(),
            Answer::Silent | Answer::Close => 0,
        }
    }
}

/// An answer, and where the time went until it was known.
pub(crate) struct Finished {
    pub(crate) answer: Answer,
    pub(crate) spent: Spent,
    /// What its records hold of the shard's memory for answers; other answers are counted when they leave.
    pub(crate) egress: Option<EgressCharge>,
}

impl From<Answer> for Finished {
    /// Of a request whose stages are not told apart.
    fn from(answer: Answer) -> Finished {
        Finished { answer, spent: Spent::default(), egress: None }
    }
}

/// An answer whose appends are still on their way to the disk.
pub(crate) type Later = Pin<Box<dyn Future<Output = Finished>>>;

/// A place in the queue. The frame's memory is held until the answer has been sent.
pub(crate) struct Pending {
    pub(crate) answer: Slot,
    pub(crate) charge: Option<Rc<ByteCharge>>,
    /// Of a request; nothing where the connection ends without one.
    pub(crate) trace: Option<Trace>,
}

pub(crate) enum Slot {
    Now(Finished),
    Later(Later),
}

/// Taken answers that have not left yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InHand {
    Nothing,
    One,
}

/// A send of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    Begins,
    Ended,
}

/// Bounded first-in first-out queue of one connection.
pub(crate) struct Answers {
    queue: RefCell<VecDeque<Pending>>,
    /// Taken by the writer and not yet sent.
    in_hand: Cell<usize>,
    /// The peer has to take something before the next answer leaves.
    is_sending: Cell<bool>,
    reader_done: Cell<bool>,
    writer_done: Cell<bool>,
    pushed: Signal,
    left: Signal,
}

impl Answers {
    pub(crate) fn new() -> Answers {
        Answers {
            queue: RefCell::new(VecDeque::new()),
            in_hand: Cell::new(0),
            is_sending: Cell::new(false),
            reader_done: Cell::new(false),
            writer_done: Cell::new(false),
            pushed: Signal::new(),
            left: Signal::new(),
        }
    }

    /// Waits for a place; false once the writer has ended, for then nobody answers.
    pub(crate) async fn wait_for_place(&self) -> bool {
        while self.pending() >= PENDING_MAX && !self.writer_done.get() {
            self.left.wait().await;
        }
        !self.writer_done.get()
    }

    /// Adds the answer of the next request; a place was waited for.
    pub(crate) fn push(&self, pending: Pending) {
        assert!(self.pending() < PENDING_MAX, "a place in the queue was waited for");
        self.queue.borrow_mut().push_back(pending);
        self.pushed.notify_all();
    }

    /// Waits until every answer has been sent; false once the writer has ended.
    pub(crate) async fn drained(&self) -> bool {
        while self.pending() > 0 && !self.writer_done.get() {
            self.left.wait().await;
        }
        !self.writer_done.get()
    }

    /// No further request comes: the writer ends when the queue is empty.
    pub(crate) fn end_of_requests(&self) {
        self.reader_done.set(true);
        self.pushed.notify_all();
    }

    /// The oldest answer, or nothing if the queue is empty just now.
    pub(crate) fn take(&self) -> Option<Pending> {
        let next = self.queue.borrow_mut().pop_front()?;
        self.in_hand.set(self.in_hand.get() + 1);
        Some(next)
    }

    /// Waits for an answer; false when none will come.
    pub(crate) async fn wait_for_answer(&self) -> bool {
        while self.queue.borrow().is_empty() {
            if self.reader_done.get() {
                return false;
            }
            self.pushed.wait().await;
        }
        true
    }

    /// What was taken has been sent or needed no answer, save the one that is still waited for.
    pub(crate) fn sent(&self, still: InHand) {
        self.in_hand.set(match still {
            InHand::Nothing => 0,
            InHand::One => 1,
        });
        self.left.notify_all();
    }

    /// A send begins or has ended.
    pub(crate) fn note_sending(&self, sending: Sending) {
        self.is_sending.set(sending == Sending::Begins);
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    /// The writer answers no more; what is queued is dropped.
    pub(crate) fn end_of_answers(&self) {
        self.writer_done.set(true);
        self.queue.borrow_mut().clear();
        self.left.notify_all();
    }

    pub(crate) fn pending(&self) -> usize {
        self.queue.borrow().len() + self.in_hand.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Pending {
        let answer = Answer::Frame(vec![Bytes::from_static(text.as_bytes())]);
        Pending { answer: Slot::Now(answer.into()), charge: None, trace: None }
    }

    fn text(pending: Option<Pending>) -> Option<Bytes> {
        match pending?.answer {
            Slot::Now(Finished { answer: Answer::Frame(mut pieces), .. }) => pieces.pop(),
            _ => None,
        }
    }

    #[test]
    fn answers_leave_in_request_order() {
        let answers = Answers::new();
        for request in ["one", "two", "three"] {
            answers.push(frame(request));
        }
        assert_eq!(text(answers.take()).unwrap(), "one");
        assert_eq!(text(answers.take()).unwrap(), "two");
        assert_eq!(answers.pending(), 3);
        answers.sent(InHand::One);
        assert_eq!(answers.pending(), 2);
        answers.sent(InHand::Nothing);
        assert_eq!(text(answers.take()).unwrap(), "three");
        assert!(text(answers.take()).is_none());
    }

    #[test]
    fn a_writer_that_ended_holds_nothing() {
        let answers = Answers::new();
        answers.push(frame("one"));
        answers.end_of_answers();
        assert_eq!(answers.pending(), 0);
        assert!(answers.take().is_none());
    }

    #[test]
    #[should_panic(expected = "a place in the queue was waited for")]
    fn the_queue_is_bounded() {
        let answers = Answers::new();
        for _ in 0..=PENDING_MAX {
            answers.push(frame("one"));
        }
    }
}
