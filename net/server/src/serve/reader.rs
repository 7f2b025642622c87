//! Serves one connection on one shard: receives requests, hands them to their handlers in order, and moves the
//! connection to another shard when its data live there.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ShardIndex;
use millrace_rt::{ByteCharge, Either, Stream, select};
use millrace_wire::ApiKey;
use tracing::{debug, warn};

use crate::api::call::{Call, CallFault, Head, Outcome};
use crate::api::table::{Turn, dispatch};
use crate::conn::answers::{Answer, Answers, PENDING_MAX, Pending, Slot};
use crate::conn::caller::{Caller, Partial};
use crate::conn::inbox::{Frame, Inbox, State};
use crate::conn::parcel::Parcel;
use crate::conn::writer::{WriterEnd, write_answers};
use crate::host::Host;
use crate::quota::{LimitedRequest, timed, timed_to_the_end};
use crate::timings::Trace;

/// How the reader of a connection ended.
enum ReaderEnd {
    /// The peer, an answer or the broker's stop closed it.
    Closed,
    Moves(ShardIndex),
}

/// Whether the reader goes on after a request.
enum Next {
    Request,
    /// The next request, once the client has rested as its quotas want.
    Rest(Rc<LimitedRequest>),
    End,
}

/// Serves a connection until it closes or leaves for another shard.
pub(crate) async fn serve(host: Rc<Host>, parcel: Parcel) {
    let stream = Rc::new(Stream::attach(parcel.stream));
    let answers = Rc::new(Answers::new());
    let listener = (parcel.listener, host.node.endpoint_type(parcel.listener));
    let caller = Rc::new(Caller::new(listener, &stream, answers.clone(), parcel.identity));
    for session in parcel.sessions {
        caller.add_session(session.id());
        host.adopt_session(session);
    }
    let number = host.enter(&caller);
    let (timings, shard) = (host.timings.clone(), host.shard.clone());
    let writer = millrace_rt::spawn(write_answers(stream.clone(), answers.clone(), timings, shard));
    let inbox = Inbox::new(host.request_budget.clone(), host.frame_bytes_max(), &parcel.leftover);
    let mut reader = Reader {
        host: host.clone(),
        caller: caller.clone(),
        stream: stream.clone(),
        answers: answers.clone(),
        inbox,
    };
    let reader_end = reader.run().await.unwrap_or_else(|error| {
        debug!(%error, "a connection broke");
        ReaderEnd::Closed
    });
    answers.end_of_requests();
    let writer_end = writer.await;
    host.leave(number);
    let Reader { stream: own_stream, inbox, .. } = reader;
    drop(own_stream);
    match (reader_end, writer_end) {
        (ReaderEnd::Moves(to), WriterEnd::Done) => hand_over(&host, &caller, stream, inbox, to).await,
        (_, end) => {
            if let WriterEnd::Failed(error) = end {
                debug!(%error, "a peer took no more answers");
            }
            stream.shutdown();
            if let Some(instance) = caller.identity.borrow().instance {
                host.node.client_metrics().leave(instance);
            }
            host.count_out(stream.peer_addr());
        }
    }
}

/// Gives the connection and all it holds to another shard.
async fn hand_over(host: &Host, caller: &Caller, stream: Rc<Stream>, inbox: Inbox, to: ShardIndex) {
    let Ok(stream) = Rc::try_unwrap(stream) else {
        unreachable!("reader and writer have ended, and nobody else holds a stream for longer than a call");
    };
    let sessions = caller.take_sessions().into_iter().filter_map(|id| host.remove_session(id)).collect();
    let parcel = Parcel {
        stream: stream.detach(),
        listener: caller.listener,
        leftover: inbox.into_leftover(),
        sessions,
        identity: caller.identity.take(),
    };
    host.count_over(to);
    host.shard.hand_over(to, Box::new(parcel)).await;
}

/// How often it is looked whether the client of a request that waits is still there: nothing is received meanwhile, and
/// what a reader waits with (its place in the lists of partitions, the memory of its request) is not to be kept for nobody.
/// Most waits are shorter.
const PEER_LOOK: Duration = Duration::from_secs(1);

/// Whether requests of an API wait for what others do, as long as their clients want: so that one whose client is gone is
/// dropped. All others do what they are asked for, whoever hears of it.
fn may_wait(api: ApiKey) -> bool {
    matches!(api, ApiKey::Fetch | ApiKey::JoinGroup | ApiKey::SyncGroup)
}

struct Reader {
    host: Rc<Host>,
    caller: Rc<Caller>,
    stream: Rc<Stream>,
    answers: Rc<Answers>,
    inbox: Inbox,
}

impl Reader {
    async fn run(&mut self) -> io::Result<ReaderEnd> {
        loop {
            let received = self.inbox.receive(&self.stream, &self.caller).await?;
            let mut frames = received.frames.into_iter();
            while let Some(frame) = frames.next() {
                let next = match self.request(frame).await {
                    Next::Rest(limited) => self.rest(&limited, frames.len()).await,
                    next => next,
                };
                if matches!(next, Next::End) {
                    return Ok(ReaderEnd::Closed);
                }
                self.caller.touch();
            }
            match received.state {
                State::Open => {}
                State::Ended => return Ok(ReaderEnd::Closed),
                State::BadLength(length) => {
                    self.explain_length(length);
                    return Ok(ReaderEnd::Closed);
                }
            }
            if let Some(to) = self.caller.better_home(self.host.shard.index())
                && self.answers.drained().await
            {
                return Ok(ReaderEnd::Moves(to));
            }
        }
    }

    /// Hands one request to its handler when its turn has come, and its answer to the writer.
    async fn request(&mut self, frame: Frame) -> Next {
        if self.caller.is_retired() {
            return Next::End;
        }
        let Frame { bytes, charge, received } = frame;
        let (head, body) = match Head::split(&bytes) {
            Ok(split) => split,
            Err(error) => return self.close(&error.to_string()).await,
        };
        let frame_bytes = bytes.len();
        drop(bytes);
        let Some(api) = dispatch(self.caller.endpoint_type, head.api, head.version) else {
            return self.close("the API or its version is not served").await;
        };
        let bytes_max = self.host.request_bytes_max(head.api);
        if frame_bytes > bytes_max {
            self.count_too_long(Some(head.api), frame_bytes, bytes_max);
            return self.close("the request is longer than the memory for requests of its API allows").await;
        }
        self.host.counts.request(head.api, head.version, frame_bytes);
        if self.answers.pending() >= PENDING_MAX {
            self.host.counts.limits.pending_requests.increment();
        }
        let has_turn = match api.turn {
            Turn::Alone => self.answers.drained().await && self.has_room(head.api).await,
            Turn::Pipelined => self.answers.wait_for_place().await,
        };
        if !has_turn {
            return Next::End;
        }
        let trace = Trace { api: head.api, received };
        let head_api = head.api;
        let limited = self.host.limits(&self.caller, &head.client_id).map(LimitedRequest::new).map(Rc::new);
        let call = Call {
            host: self.host.clone(),
            caller: self.caller.clone(),
            head,
            body,
            frame_bytes,
            received,
            limited: limited.clone(),
        };
        let handling = match &limited {
            Some(limited) if limited.is_timed() => Box::pin(timed((api.handle)(call), limited.clone())),
            _ => (api.handle)(call),
        };
        // A fetch may wait for minutes, and neither does a broker that stops, nor one whose client is gone.
        let outcome = match api.turn {
            Turn::Pipelined => handling.await,
            Turn::Alone => match select(handling, self.ended(head_api)).await {
                Either::Left(outcome) => outcome,
                Either::Right(()) => return Next::End,
            },
        };
        let outcome = match (outcome, &limited) {
            (Ok(Outcome::Later(later)), Some(limited)) if limited.is_timed() => {
                Ok(Outcome::Later(Box::pin(timed_to_the_end(later, limited.clone()))))
            }
            (outcome, _) => outcome,
        };
        match (self.answer(outcome, charge, trace).await, limited) {
            (Next::Request, Some(limited)) => Next::Rest(limited),
            (next, _) => next,
        }
    }

    /// Waits until nobody is there any more for the answer of a request.
    async fn ended(&self, api: ApiKey) {
        if !may_wait(api) {
            return self.caller.hung_up().await;
        }
        loop {
            let is_hung_up = millrace_rt::timeout(PEER_LOOK, self.caller.hung_up()).await.is_some();
            if is_hung_up || self.stream.has_peer_ended() {
                return;
            }
        }
    }

    /// Reads nothing for as long as the quotas of the client want (KIP-219); its answer is on the way. The requests that
    /// were received with this one wait, and who holds memory that others need by that is treated as one who holds part
    /// of a request.
    async fn rest(&self, limited: &LimitedRequest, waiting: usize) -> Next {
        let Some((meter, rest)) = limited.take_rest() else { return Next::Request };
        self.host.count_throttle(&meter, rest);
        if waiting > 0 || self.inbox.holds_part() {
            self.caller.note_partial(Partial::Yes);
        }
        match select(millrace_rt::sleep(rest), self.caller.hung_up()).await {
            Either::Left(()) => Next::Request,
            Either::Right(()) => Next::End,
        }
    }

    /// Waits until the shard has memory for an answer; false where the connection ends meanwhile. A fetch waits on its
    /// own, no longer than its reader does.
    async fn has_room(&self, api: ApiKey) -> bool {
        api == ApiKey::Fetch
            || matches!(
                select(self.host.shard.egress().until_room(), self.caller.hung_up()).await,
                Either::Left(())
            )
    }

    async fn answer(
        &mut self,
        outcome: Result<Outcome, CallFault>,
        charge: Option<Rc<ByteCharge>>,
        trace: Trace,
    ) -> Next {
        let answer = match outcome {
            Ok(Outcome::Done(finished)) => Slot::Now(finished),
            Ok(Outcome::Later(later)) => Slot::Later(later),
            Err(fault) => return self.close(&fault.to_string()).await,
        };
        self.answers.push(Pending { answer, charge, trace: Some(trace) });
        Next::Request
    }

    /// Most bad lengths are no requests at all; one that the configuration allows is worth a word to the operator.
    fn explain_length(&self, length: i32) {
        let host = &self.host;
        if (1..=host.node.config().socket_request_max_bytes()).contains(&length) {
            self.count_too_long(None, length as usize, host.frame_bytes_max());
        } else {
            host.counts.connections.refused_requests.increment();
            debug!(length, "no request has this length");
        }
    }

    /// Tells the operator of a request that the configuration allows, and the memory does not.
    fn count_too_long(&self, api: Option<ApiKey>, request_bytes: usize, bytes_max: usize) {
        self.host.counts.limits.request_bytes.increment();
        warn!(
            api = api.map(ApiKey::name),
            request_bytes,
            bytes_max,
            "a request is larger than the memory for requests allows; give the broker more with millrace.memory"
        );
    }

    /// Lets earlier answers leave and then closes the connection.
    async fn close(&self, reason: &str) -> Next {
        debug!(reason, "a connection is closed");
        self.host.counts.connections.refused_requests.increment();
        if self.answers.wait_for_place().await {
            self.answers.push(Pending { answer: Slot::Now(Answer::Close.into()), charge: None, trace: None });
        }
        Next::End
    }
}
