//! The responses of one connection in request order,
//! between the task that reads requests and the one that sends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use millrace_rt::{ByteCharge, Signal};
use millrace_shard::EgressCharge;

use crate::metrics::timings::{Spent, Trace};

/// The number of requests of one connection that may be under way at once. An idempotent client has five,
/// others pipeline more. At this bound their socket is not read until a response has left.
pub(crate) const PENDING_MAX: usize = 128;

/// The outcome of one request.
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
    /// The memory for responses that its records hold. Other responses are charged when they are sent.
    pub(crate) egress: Option<EgressCharge>,
}

impl From<Response> for FinishedResponse {
    /// For a request whose stages are not measured.
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
    /// `None` if the connection ends without a request.
    pub(crate) trace: Option<Trace>,
}

pub(crate) enum ResponseSlot {
    Ready(FinishedResponse),
    Delayed(DelayedResponse),
}

/// The responses that the writer has taken and not yet sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InHand {
    Nothing,
    One,
}

/// Whether a send begins or has ended.
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
    /// Whether the peer has to take something before the next response leaves.
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

    /// Waits for a place in the queue. Returns false once the writer has ended: then no response is sent.
    pub(crate) async fn wait_for_place(&self) -> bool {
        while self.pending() >= PENDING_MAX && !self.writer_done.get() {
            self.left.wait().await;
        }
        !self.writer_done.get()
    }

    /// Adds the response of the next request. The caller has waited for a place.
    pub(crate) fn push(&self, pending: PendingResponse) {
        assert!(self.pending() < PENDING_MAX, "a place in the queue was waited for");
        self.queue.borrow_mut().push_back(pending);
        self.pushed.notify_all();
    }

    /// Waits until every response has been sent. Returns false once the writer has ended.
    pub(crate) async fn drained(&self) -> bool {
        while self.pending() > 0 && !self.writer_done.get() {
            self.left.wait().await;
        }
        !self.writer_done.get()
    }

    /// Notes that no further request comes: the writer ends when the queue is empty.
    pub(crate) fn end_of_requests(&self) {
        self.reader_done.set(true);
        self.pushed.notify_all();
    }

    /// Takes the oldest response, or returns `None` if the queue is empty.
    pub(crate) fn take(&self) -> Option<PendingResponse> {
        let next = self.queue.borrow_mut().pop_front()?;
        self.in_hand.set(self.in_hand.get() + 1);
        Some(next)
    }

    /// Waits for a response. Returns false when none will come.
    pub(crate) async fn wait_for_response(&self) -> bool {
        while self.queue.borrow().is_empty() {
            if self.reader_done.get() {
                return false;
            }
            self.pushed.wait().await;
        }
        true
    }

    /// Notes that the taken responses have been sent, or needed no sending. One may still be waited for.
    pub(crate) fn sent(&self, still: InHand) {
        self.in_hand.set(match still {
            InHand::Nothing => 0,
            InHand::One => 1,
        });
        self.left.notify_all();
    }

    /// Notes that a send begins or has ended.
    pub(crate) fn note_sending(&self, sending: Sending) {
        self.is_sending.set(sending == Sending::Begins);
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    /// Notes that the writer sends no more. Drops the responses in the queue.
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
