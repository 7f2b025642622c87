//! One request in its handler, and its outcome.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use millrace_rt::Moment;
use millrace_wire::conn::{HeaderError, decode_request_header};
use millrace_wire::{ApiKey, DecodeError, EncodeError, Reader, Writer, encode_response_frame};

use crate::conn::connection::Connection;
use crate::conn::responses::{DelayedResponse, FinishedResponse, Response};
use crate::quota::{LimitedRequest, Mutations};
use crate::shard_server::ShardServer;
use crate::telemetry::{ClientInstanceId, PushedBy};

/// The header of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestHeader {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    /// A slice of the frame; empty if the client gives none.
    pub(crate) client_id: Bytes,
}

/// A request whose API and version are served. Owned by its handler.
pub(crate) struct RequestContext {
    pub(crate) server: Rc<ShardServer>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) header: RequestHeader,
    /// The message behind the header.
    pub(crate) body: Bytes,
    /// The length of the whole request, without the field of its length.
    pub(crate) frame_bytes: usize,
    pub(crate) received: Moment,
    /// Present if the client has a quota.
    pub(crate) limited: Option<Rc<LimitedRequest>>,
}

/// What a handler returns.
pub(crate) enum Outcome {
    Done(FinishedResponse),
    /// Admitted in order. The response follows when the appends are committed.
    Delayed(DelayedResponse),
}

/// Why a request gets no response: the connection closes, as Kafka closes it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestFault {
    #[error("the request does not decode: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the response would take more than the memory for requests")]
    ResponseTooLong,
    #[error("the response does not fit the protocol: {0}")]
    Unencodable(#[from] EncodeError),
}

pub(crate) type Handling = Pin<Box<dyn Future<Output = Result<Outcome, RequestFault>>>>;

/// What a response needs once the request itself is dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseHeader {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    /// The throttle time for a client that is over its quota.
    throttle_time_ms: Option<i32>,
}

impl RequestHeader {
    /// Returns the client id; empty if the client gives none, or one that is not text.
    pub(crate) fn client_id(&self) -> Arc<str> {
        std::str::from_utf8(&self.client_id).unwrap_or_default().into()
    }

    /// Reads a request's header and returns it with the message behind it.
    pub(crate) fn split(frame: &Bytes) -> Result<(RequestHeader, Bytes), HeaderError> {
        let mut reader = Reader::new(frame);
        let (api, decoded) = decode_request_header(&mut reader)?;
        let client_id = match &decoded.client_id {
            Some(Cow::Borrowed(id)) => frame.slice_ref(id.as_bytes()),
            Some(Cow::Owned(id)) => Bytes::copy_from_slice(id.as_bytes()),
            None => Bytes::new(),
        };
        let version = decoded.request_api_version;
        let header = RequestHeader { api, version, correlation_id: decoded.correlation_id, client_id };
        Ok((header, frame.slice(reader.position()..)))
    }
}

impl RequestContext {
    pub(crate) fn version(&self) -> i16 {
        self.header.version
    }

    /// Returns the header for a response. Called when the response is made, or its cost is known: the
    /// request's time counts until then.
    pub(crate) fn response_header(&self) -> ResponseHeader {
        let limited = self.limited.as_deref().inspect(|limited| limited.count_time());
        ResponseHeader {
            api: self.header.api,
            version: self.header.version,
            correlation_id: self.header.correlation_id,
            throttle_time_ms: limited.and_then(LimitedRequest::throttle_time_ms),
        }
    }

    /// Returns the client as an instance that has metrics.
    pub(crate) fn pushed_by(&self, id: ClientInstanceId) -> PushedBy {
        let software = self.connection.identity.borrow().software.clone();
        PushedBy::new(id, self.header.client_id(), software, self.connection.peer())
    }

    /// Returns the rate at which the client may change topics.
    pub(crate) fn mutations(&self, strict_from: i16) -> Mutations<'_> {
        Mutations::of(self.limited.as_deref(), strict_from, self.version())
    }

    /// Returns the finished outcome: a frame with the message that `encode` writes.
    pub(crate) fn respond(
        &self,
        encode: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
    ) -> Result<Outcome, RequestFault> {
        Ok(Outcome::Done(self.response_header().frame(encode)?.into()))
    }
}

impl ResponseHeader {
    /// Returns the same header for another version of the response.
    pub(crate) fn of_version(self, version: i16) -> ResponseHeader {
        ResponseHeader { version, ..self }
    }

    pub(crate) fn frame(
        self,
        encode: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
    ) -> Result<Response, EncodeError> {
        let form = self.api.response_header_form(self.version);
        let write = |writer: &mut Writer| {
            if let Some(throttle_time_ms) = self.throttle_time_ms {
                writer.throttle(throttle_time_ms);
            }
            encode(writer, self.version)
        };
        encode_response_frame(self.correlation_id, form, write).map(Response::Frame)
    }
}
