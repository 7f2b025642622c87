//! One request on its way through its handler, and what it comes to.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use millrace_core::base::TopicId;
use millrace_rt::Moment;
use millrace_wire::conn::{HeaderError, decode_request_header};
use millrace_wire::{ApiKey, DecodeError, EncodeError, Reader, Uuid, Writer, encode_response_frame};

use crate::conn::answers::{Answer, Finished, Later};
use crate::conn::caller::Caller;
use crate::host::Host;
use crate::quota::{LimitedRequest, Mutations};
use crate::telemetry::{InstanceId, PushedBy};

/// What a request says ahead of its message.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    /// A slice of the frame; empty where the client gives none.
    pub(crate) client_id: Bytes,
}

/// A request whose API and version are served. Owned by its handler.
pub(crate) struct Call {
    pub(crate) host: Rc<Host>,
    pub(crate) caller: Rc<Caller>,
    pub(crate) head: Head,
    /// The message behind the header.
    pub(crate) body: Bytes,
    /// Of the whole request, without its length.
    pub(crate) frame_bytes: usize,
    pub(crate) received: Moment,
    /// Of a client that has a quota.
    pub(crate) limited: Option<Rc<LimitedRequest>>,
}

/// What a handler comes to.
pub(crate) enum Outcome {
    Done(Finished),
    /// Admitted in order; the answer follows when the appends have committed.
    Later(Later),
}

/// Why a request gets no answer: the connection closes, as Kafka closes it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallFault {
    #[error("the request does not decode: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the answer would take more than the memory for requests")]
    AnswerTooLong,
    #[error("the answer does not fit the protocol: {0}")]
    Unanswerable(#[from] EncodeError),
}

pub(crate) type Handling = Pin<Box<dyn Future<Output = Result<Outcome, CallFault>>>>;

/// What is needed to answer once the request itself is gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerHead {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    /// What a client that is over its quota is told, in the answer's own field.
    throttle_time_ms: Option<i32>,
}

impl Head {
    /// Empty where the client gives none, or one that is no text.
    pub(crate) fn client_id(&self) -> Arc<str> {
        std::str::from_utf8(&self.client_id).unwrap_or_default().into()
    }

    /// Reads a request's header and returns it with the message behind it.
    pub(crate) fn split(frame: &Bytes) -> Result<(Head, Bytes), HeaderError> {
        let mut reader = Reader::new(frame);
        let (api, header) = decode_request_header(&mut reader)?;
        let client_id = match &header.client_id {
            Some(Cow::Borrowed(id)) => frame.slice_ref(id.as_bytes()),
            Some(Cow::Owned(id)) => Bytes::copy_from_slice(id.as_bytes()),
            None => Bytes::new(),
        };
        let version = header.request_api_version;
        let head = Head { api, version, correlation_id: header.correlation_id, client_id };
        Ok((head, frame.slice(reader.position()..)))
    }
}

impl Call {
    pub(crate) fn version(&self) -> i16 {
        self.head.version
    }

    /// To be taken when the answer is made, or what it takes is known: the time of the request counts until then.
    pub(crate) fn answer_head(&self) -> AnswerHead {
        let limited = self.limited.as_deref().inspect(|limited| limited.count_time());
        AnswerHead {
            api: self.head.api,
            version: self.head.version,
            correlation_id: self.head.correlation_id,
            throttle_time_ms: limited.and_then(LimitedRequest::throttle_time_ms),
        }
    }

    /// The client, as an instance that has metrics.
    pub(crate) fn pushed_by(&self, id: InstanceId) -> PushedBy {
        let software = self.caller.identity.borrow().software.clone();
        PushedBy::new(id, self.head.client_id(), software, self.caller.peer())
    }

    /// The rate at which the client may change topics.
    pub(crate) fn mutations(&self, strict_from: i16) -> Mutations<'_> {
        Mutations::of(self.limited.as_deref(), strict_from, self.version())
    }

    /// The finished outcome: a frame with the message that `encode` writes.
    pub(crate) fn answer(
        &self,
        encode: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
    ) -> Result<Outcome, CallFault> {
        Ok(Outcome::Done(self.answer_head().frame(encode)?.into()))
    }
}

impl AnswerHead {
    /// The same with another version of the answer.
    pub(crate) fn of_version(self, version: i16) -> AnswerHead {
        AnswerHead { version, ..self }
    }

    pub(crate) fn frame(
        self,
        encode: impl FnOnce(&mut Writer, i16) -> Result<(), EncodeError>,
    ) -> Result<Answer, EncodeError> {
        let header = self.api.response_header_form(self.version);
        let write = |writer: &mut Writer| {
            if let Some(throttle_time_ms) = self.throttle_time_ms {
                writer.throttle(throttle_time_ms);
            }
            encode(writer, self.version)
        };
        encode_response_frame(self.correlation_id, header, write).map(Answer::Frame)
    }
}

pub(crate) fn topic_id(id: Uuid) -> TopicId {
    TopicId(id.0)
}

pub(crate) fn uuid(id: TopicId) -> Uuid {
    Uuid(id.0)
}
