//! The responses of one connection in request order, between the task that reads requests and the one that sends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use millrace_rt::{ByteCharge, Signal};
use millrace_shard::EgressCharge;

use crate::metrics::timings::{Spent, Trace};

/// Requests of one connection that may be under way at once. An idempotent client has five; plain ones pipeline
/// deeper, and past this their socket is not read until a response leaves.
pub(crate) const PENDING_MAX: usize = 128;

/// What one request comes to.
pub(crate) enum Response {
    /// A frame, in pieces for one vectored send.
    Frame(Vec<Bytes>),
    /// The request asked for no response.
    Silent,
    /// The connection ends without a response.
    Close,
}

impl Response {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Response::Frame(pieces) => pieces.iter().map(Bytes::len).sum(),
            Response::Silent | Response::Close => 0,
        }
    }
}

/// A response, and where the time went until it was known.
pub(crate) struct FinishedResponse {
    pub(crate) response: Response,
    pub(crate) spent: Spent,
    /// What its records hold of the shard's memory for responses; other responses are counted when they leave.
    pub(crate) egress: Option<EgressCharge>,
}

impl From<Response> for FinishedResponse {
    /// Of a request whose stages are not told apart.
    fn from(response: Response) -> FinishedResponse {
        FinishedResponse { response, spent: Spent::default(), egress: None }
    }
}

/// A response whose appends are still on their way to the disk.
pub(crate) type DelayedResponse = Pin<Box<dyn Future<Output = FinishedResponse>>>;

/// A place in the queue. The frame's memory is held until the response has been sent.
pub(crate) struct PendingResponse {
    pub(crate) response: ResponseSlot,
    pub(crate) charge: Option<Rc<ByteCharge>>,
    /// Of a request; nothing where the connection ends without one.
    pub(crate) trace: Option<Trace>,
}

pub(crate) enum ResponseSlot {
    Ready(FinishedResponse),
    Delayed(DelayedResponse),
}

/// Taken responses that have not left yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InHand {
    Nothing,
    One,
}

/// A send of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    Begins,
    Ended,
}

/// Bounded first-in first-out queue of one connection.
pub(crate) struct ResponseQueue {
    queue: RefCell<VecDeque<PendingResponse>>,
    /// Taken by the writer and not yet sent.
    in_hand: Cell<usize>,
    /// The peer has to take something before the next response leaves.
    is_sending: Cell<bool>,
    reader_done: Cell<bool>,
    writer_done: Cell<bool>,
    pushed: Signal,
    left: Signal,
}

impl ResponseQueue {
    pub(crate) fn new() -> ResponseQueue {
        ResponseQueue {
            queue: RefCell::new(VecDeque::new()),
            in_hand: Cell::new(0),
            is_sending: Cell::new(false),
            reader_done: Cell::new(false),
            writer_done: Cell::new(false),
            pushed: Signal::new(),
            left: Signal::new(),
        }
    }

    /// Waits for a place; false once the writer has ended: then no response is sent.
    pub(crate) async fn wait_for_place(&self) -> bool {
        while self.pending() >= PENDING_MAX && !self.writer_done.get() {
            self.left.wait().await;
        }
        !self.writer_done.get()
    }

    /// Adds the response of the next request; a place was waited for.
    pub(crate) fn push(&self, pending: PendingResponse) {
        assert!(self.pending() < PENDING_MAX, "a place in the queue was waited for");
        self.queue.borrow_mut().push_back(pending);
        self.pushed.notify_all();
    }

    /// Waits until every response has been sent; false once the writer has ended.
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

    /// The oldest response, or nothing if the queue is empty just now.
    pub(crate) fn take(&self) -> Option<PendingResponse> {
        let next = self.queue.borrow_mut().pop_front()?;
        self.in_hand.set(self.in_hand.get() + 1);
        Some(next)
    }

    /// Waits for a response; false when none will come.
    pub(crate) async fn wait_for_response(&self) -> bool {
        while self.queue.borrow().is_empty() {
            if self.reader_done.get() {
                return false;
            }
            self.pushed.wait().await;
        }
        true
    }

    /// What was taken has been sent or needed no response, save the one that is still waited for.
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

    /// The writer sends no more. The responses in the queue are dropped.
    pub(crate) fn end_of_responses(&self) {
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

    fn frame(text: &'static str) -> PendingResponse {
        let response = Response::Frame(vec![Bytes::from_static(text.as_bytes())]);
        PendingResponse { response: ResponseSlot::Ready(response.into()), charge: None, trace: None }
    }

    fn text(pending: Option<PendingResponse>) -> Option<Bytes> {
        match pending?.response {
            ResponseSlot::Ready(FinishedResponse { response: Response::Frame(mut pieces), .. }) => {
                pieces.pop()
            }
            _ => None,
        }
    }

    #[test]
    fn responses_leave_in_request_order() {
        let responses = ResponseQueue::new();
        for request in ["one", "two", "three"] {
            responses.push(frame(request));
        }
        assert_eq!(text(responses.take()).unwrap(), "one");
        assert_eq!(text(responses.take()).unwrap(), "two");
        assert_eq!(responses.pending(), 3);
        responses.sent(InHand::One);
        assert_eq!(responses.pending(), 2);
        responses.sent(InHand::Nothing);
        assert_eq!(text(responses.take()).unwrap(), "three");
        assert!(text(responses.take()).is_none());
    }

    #[test]
    fn a_writer_that_ended_holds_nothing() {
        let responses = ResponseQueue::new();
        responses.push(frame("one"));
        responses.end_of_responses();
        assert_eq!(responses.pending(), 0);
        assert!(responses.take().is_none());
    }

    #[test]
    #[should_panic(expected = "a place in the queue was waited for")]
    fn the_queue_is_bounded() {
        let responses = ResponseQueue::new();
        for _ in 0..=PENDING_MAX {
            responses.push(frame("one"));
        }
    }
}
