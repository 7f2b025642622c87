//! Whole frames of requests and responses: length, header, body, as pieces for one vectored send.

use crate::api::ApiKey;
use crate::messages::request_header::RequestHeader;
use crate::value::Form;
use crate::writer::{EncodeError, Writer};
use bytes::Bytes;
use std::borrow::Cow;

/// What a request says ahead of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    pub api: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<&'a str>,
}

/// A response: four bytes of length, the header in `header` form, and what `body` writes. The form comes
/// from `ApiKey::response_header_form`.
pub fn encode_response_frame(
    correlation_id: i32,
    header: Form,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Vec<Bytes>, EncodeError> {
    framed(|writer| {
        writer.i32(correlation_id);
        writer.no_tagged_fields(header);
        body(writer)
    })
}

/// A request: four bytes of length, the header of the version's own version, and what `body` writes.
pub fn encode_request_frame(
    head: RequestHead<'_>,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Vec<Bytes>, EncodeError> {
    framed(|writer| {
        let header = RequestHeader {
            request_api_key: head.api.code(),
            request_api_version: head.version,
            correlation_id: head.correlation_id,
            client_id: head.client_id.map(Cow::Borrowed),
        };
        header.encode(writer, head.api.request_header_version(head.version))?;
        body(writer)
    })
}

fn framed(content: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) -> Result<Vec<Bytes>, EncodeError> {
    let mut writer = Writer::framed();
    content(&mut writer)?;
    writer.finish_frame()
}
