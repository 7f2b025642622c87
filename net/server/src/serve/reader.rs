//! Serves one connection on one shard: receives requests, hands them to their handlers in order, and moves
//! the connection to another shard when its data live there.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ShardIndex;
use millrace_rt::{ByteCharge, Either, Stream, select};
use millrace_wire::ApiKey;
use tracing::{debug, warn};

use crate::api::request::context::{Outcome, RequestContext, RequestFault, RequestHeader};
use crate::api::table::{Turn, dispatch};
use crate::conn::connection::{Connection, Partial};
use crate::conn::inbox::{Frame, Inbox, InboxState};
use crate::conn::moving_connection::MovingConnection;
use crate::conn::responses::{PENDING_MAX, PendingResponse, Response, ResponseQueue, ResponseSlot};
use crate::conn::writer::{WriterEnd, write_responses};
use crate::metrics::timings::Trace;
use crate::quota::{LimitedRequest, timed, timed_to_the_end};
use crate::shard_server::ShardServer;

/// How the reader of a connection ended.
enum ReaderEnd {
    /// The peer, a response or the broker's stop has closed it.
    Closed,
    Moves(ShardIndex),
}

/// Whether the reader goes on after a request.
enum Next {
    Request,
    /// The next request follows when the client has rested for its quotas.
    Rest(Rc<LimitedRequest>),
    End,
}

/// Serves a connection until it closes or leaves for another shard.
pub(crate) async fn serve(server: Rc<ShardServer>, moving: MovingConnection) {
    let stream = Rc::new(Stream::attach(moving.stream));
    let responses = Rc::new(ResponseQueue::new());
    let listener = (moving.listener, server.broker.endpoint_type(moving.listener));
    let connection = Rc::new(Connection::new(listener, &stream, responses.clone(), moving.identity));
    for session in moving.sessions {
        connection.add_session(session.id());
        server.adopt_session(session);
    }
    let number = server.enter(&connection);
    let (timings, shard) = (server.timings.clone(), server.shard.clone());
    let writer = millrace_rt::spawn(write_responses(stream.clone(), responses.clone(), timings, shard));
    let inbox = Inbox::new(server.request_budget.clone(), server.frame_bytes_max(), &moving.leftover);
    let mut reader = ConnectionReader {
        server: server.clone(),
        connection: connection.clone(),
        stream: stream.clone(),
        responses: responses.clone(),
        inbox,
    };
    let reader_end = reader.run().await.unwrap_or_else(|error| {
        debug!(%error, "a connection failed");
        ReaderEnd::Closed
    });
    responses.end_of_requests();
    let writer_end = writer.await;
    server.leave(number);
    let ConnectionReader { stream: own_stream, inbox, .. } = reader;
    drop(own_stream);
    match (reader_end, writer_end) {
        (ReaderEnd::Moves(to), WriterEnd::Done) => hand_over(&server, &connection, stream, inbox, to).await,
        (_, end) => {
            if let WriterEnd::Failed(error) = end {
                debug!(%error, "a peer stopped taking responses");
            }
            stream.shutdown();
            if let Some(instance) = connection.identity.borrow().instance {
                server.broker.client_metrics().leave(instance);
            }
            server.count_out(stream.peer_addr());
        }
    }
}

/// Gives the connection and all it holds to another shard.
async fn hand_over(
    server: &ShardServer,
    connection: &Connection,
    stream: Rc<Stream>,
    inbox: Inbox,
    to: ShardIndex,
) {
    let Ok(stream) = Rc::try_unwrap(stream) else {
        unreachable!("reader and writer have ended, and nobody else holds a stream for longer than a call");
    };
    let sessions =
        connection.take_sessions().into_iter().filter_map(|id| server.remove_session(id)).collect();
    let moving = MovingConnection {
        stream: stream.detach(),
        listener: connection.listener,
        leftover: inbox.into_leftover(),
        sessions,
        identity: connection.identity.take(),
    };
    server.count_over(to);
    server.shard.hand_over(to, Box::new(moving)).await;
}

/// The time between two checks whether the client of a waiting request is still there. Nothing is received
/// meanwhile, and what the request holds (places in the lists of partitions, memory) must not be kept for a
/// client that is gone. Most waits are shorter.
const PEER_LOOK: Duration = Duration::from_secs(1);

/// Returns whether requests of an API wait for other clients, for as long as their own client wants. Such a
/// request is dropped when its client is gone. All others are carried out in any case.
fn may_wait(api: ApiKey) -> bool {
    matches!(api, ApiKey::Fetch | ApiKey::JoinGroup | ApiKey::SyncGroup)
}

struct ConnectionReader {
    server: Rc<ShardServer>,
    connection: Rc<Connection>,
    stream: Rc<Stream>,
    responses: Rc<ResponseQueue>,
    inbox: Inbox,
}

impl ConnectionReader {
    async fn run(&mut self) -> io::Result<ReaderEnd> {
        loop {
            let received = self.inbox.receive(&self.stream, &self.connection).await?;
            let mut frames = received.frames.into_iter();
            while let Some(frame) = frames.next() {
                let next = match self.request(frame).await {
                    Next::Rest(limited) => self.rest(&limited, frames.len()).await,
                    next => next,
                };
                if matches!(next, Next::End) {
                    return Ok(ReaderEnd::Closed);
                }
                self.connection.touch();
            }
            match received.state {
                InboxState::Open => {}
                InboxState::Ended => return Ok(ReaderEnd::Closed),
                InboxState::BadLength(length) => {
                    self.explain_length(length);
                    return Ok(ReaderEnd::Closed);
                }
            }
            if let Some(to) = self.connection.better_home(self.server.shard.index())
                && self.responses.drained().await
            {
                return Ok(ReaderEnd::Moves(to));
            }
        }
    }

    /// Hands one request to its handler when its turn has come, and its response to the writer.
    async fn request(&mut self, frame: Frame) -> Next {
        if self.connection.is_retired() {
            return Next::End;
        }
        let Frame { bytes, charge, received } = frame;
        let (header, body) = match RequestHeader::split(&bytes) {
            Ok(split) => split,
            Err(error) => return self.close(&error.to_string()).await,
        };
        let frame_bytes = bytes.len();
        drop(bytes);
        let Some(api) = dispatch(self.connection.endpoint_type, header.api, header.version) else {
            return self.close("the API or its version is not served").await;
        };
        let bytes_max = self.server.request_bytes_max(header.api);
        if frame_bytes > bytes_max {
            self.count_too_long(Some(header.api), frame_bytes, bytes_max);
            return self.close("the request is longer than the memory for requests of its API allows").await;
        }
        self.server.counts.request(header.api, header.version, frame_bytes);
        if self.responses.pending() >= PENDING_MAX {
            self.server.counts.limits.pending_requests.increment();
        }
        let has_turn = match api.turn {
            Turn::Alone => self.responses.drained().await && self.has_room(header.api).await,
            Turn::Pipelined => self.responses.wait_for_place().await,
        };
        if !has_turn {
            return Next::End;
        }
        let trace = Trace { api: header.api, received };
        let api_key = header.api;
        let limited =
            self.server.limits(&self.connection, &header.client_id).map(LimitedRequest::new).map(Rc::new);
        let context = RequestContext {
            server: self.server.clone(),
            connection: self.connection.clone(),
            header,
            body,
            frame_bytes,
            received,
            limited: limited.clone(),
        };
        let handling = match &limited {
            Some(limited) if limited.is_timed() => Box::pin(timed((api.handle)(context), limited.clone())),
            _ => (api.handle)(context),
        };
        // A fetch may wait for minutes. It must not hold up a broker that stops,
        // nor wait for a client that is gone.
        let outcome = match api.turn {
            Turn::Pipelined => handling.await,
            Turn::Alone => match select(handling, self.ended(api_key)).await {
                Either::Left(outcome) => outcome,
                Either::Right(()) => return Next::End,
            },
        };
        let outcome = match (outcome, &limited) {
            (Ok(Outcome::Delayed(delayed)), Some(limited)) if limited.is_timed() => {
                Ok(Outcome::Delayed(Box::pin(timed_to_the_end(delayed, limited.clone()))))
            }
            (outcome, _) => outcome,
        };
        match (self.enqueue(outcome, charge, trace).await, limited) {
            (Next::Request, Some(limited)) => Next::Rest(limited),
            (next, _) => next,
        }
    }

    /// Waits until the client of a request is gone.
    async fn ended(&self, api: ApiKey) {
        if !may_wait(api) {
            return self.connection.hung_up().await;
        }
        loop {
            let is_hung_up = millrace_rt::timeout(PEER_LOOK, self.connection.hung_up()).await.is_some();
            if is_hung_up || self.stream.has_peer_ended() {
                return;
            }
        }
    }

    /// Reads nothing for as long as the quotas of the client want (KIP-219). The response is on its way
    /// already. Requests that were received with this one wait. If they hold memory that others need, the
    /// connection is treated as one that holds part of a request.
    async fn rest(&self, limited: &LimitedRequest, waiting: usize) -> Next {
        let Some((meter, rest)) = limited.take_rest() else { return Next::Request };
        self.server.count_throttle(&meter, rest);
        if waiting > 0 || self.inbox.holds_part() {
            self.connection.note_partial(Partial::Yes);
        }
        match select(millrace_rt::sleep(rest), self.connection.hung_up()).await {
            Either::Left(()) => Next::Request,
            Either::Right(()) => Next::End,
        }
    }

    /// Waits until the shard has memory for a response. Returns false if the connection ends meanwhile. A
    /// fetch waits by itself, for as long as its client wants at most.
    async fn has_room(&self, api: ApiKey) -> bool {
        api == ApiKey::Fetch
            || matches!(
                select(self.server.shard.egress().until_room(), self.connection.hung_up()).await,
                Either::Left(())
            )
    }

    async fn enqueue(
        &mut self,
        outcome: Result<Outcome, RequestFault>,
        charge: Option<Rc<ByteCharge>>,
        trace: Trace,
    ) -> Next {
        let response = match outcome {
            Ok(Outcome::Done(finished)) => ResponseSlot::Ready(finished),
            Ok(Outcome::Delayed(delayed)) => ResponseSlot::Delayed(delayed),
            Err(fault) => return self.close(&fault.to_string()).await,
        };
        self.responses.push(PendingResponse { response, charge, trace: Some(trace) });
        Next::Request
    }

    /// Tells the operator of a bad length that the configuration allows.
    /// Most others are not Kafka requests at all.
    fn explain_length(&self, length: i32) {
        let server = &self.server;
        if (1..=server.broker.config().socket_request_max_bytes()).contains(&length) {
            self.count_too_long(None, length as usize, server.frame_bytes_max());
        } else {
            server.counts.connections.refused_requests.increment();
            debug!(length, "no request has this length");
        }
    }

    /// Tells the operator of a request that the configuration allows, but not the memory.
    fn count_too_long(&self, api: Option<ApiKey>, request_bytes: usize, bytes_max: usize) {
        self.server.counts.limits.request_bytes.increment();
        warn!(
            api = api.map(ApiKey::name),
            request_bytes,
            bytes_max,
            "a request is larger than the memory for requests allows; give the broker more with millrace.memory"
        );
    }

    /// Lets earlier responses leave and then closes the connection.
    async fn close(&self, reason: &str) -> Next {
        debug!(reason, "a connection is closed");
        self.server.counts.connections.refused_requests.increment();
        if self.responses.wait_for_place().await {
            self.responses.push(PendingResponse {
                response: ResponseSlot::Ready(Response::Close.into()),
                charge: None,
                trace: None,
            });
        }
        Next::End
    }
}
