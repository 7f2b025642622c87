//! Whole frames of requests and responses: length, header, body, as pieces for one vectored send.

use crate::api::ApiKey;
use crate::messages::request_header::RequestHeader;
use bytes::Bytes;
use millrace_codec::{EncodeError, Form, Writer};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::heartbeat_response::HeartbeatResponse;
    use crate::messages::produce_response::ProduceResponse;
    use millrace_codec::{Reader, Records};

    #[test]
    fn frames_start_with_the_length_of_the_rest() {
        let small = encode_response_frame(7, Form::Compact, |writer| {
            writer.i16(3);
            Ok(())
        });
        assert_eq!(small.unwrap(), [Bytes::from_static(&[0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 3])]);

        let batch = Bytes::from(vec![9; 300]);
        let pieces = encode_response_frame(7, Form::Plain, |writer| {
            writer.records(&Records::from(batch.clone()), Form::Plain)?;
            writer.i8(1);
            Ok(())
        });
        let pieces = pieces.unwrap();
        assert_eq!(pieces[0], [0, 0, 1, 53, 0, 0, 0, 7, 0, 0, 1, 44].as_slice());
        assert_eq!((pieces[1].as_ptr(), pieces.len()), (batch.as_ptr(), 3));
    }

    /// First in one message, last in the other, and missing in the oldest versions.
    #[test]
    fn who_frames_an_answer_says_its_throttle_time() {
        let heartbeat = HeartbeatResponse { throttle_time_ms: 5, ..HeartbeatResponse::default() };
        let produce = ProduceResponse { throttle_time_ms: 5, ..ProduceResponse::default() };
        for (throttle, expected) in [(None, 5), (Some(0), 0), (Some(700), 700)] {
            let frame = |body: &dyn Fn(&mut Writer) -> Result<(), EncodeError>| {
                let pieces = encode_response_frame(7, Form::Plain, |writer| {
                    throttle.into_iter().for_each(|throttle| writer.throttle(throttle));
                    body(writer)
                });
                pieces.unwrap().concat()
            };
            let beaten = frame(&|writer| heartbeat.encode(writer, 4));
            let answer = HeartbeatResponse::decode(&mut Reader::new(&Bytes::from(beaten).slice(8..)), 4);
            assert_eq!(answer.unwrap().throttle_time_ms, expected);
            let produced = Bytes::from(frame(&|writer| produce.encode(writer, 9))).slice(8..);
            let answer = ProduceResponse::decode(&mut Reader::new(&produced), 9);
            assert_eq!(answer.unwrap().throttle_time_ms, expected);
            assert_eq!(frame(&|writer| heartbeat.encode(writer, 0)).len(), 4 + 4 + 2);
        }
    }

    #[test]
    fn requests_carry_the_header_of_their_version() {
        let head = |version| RequestHead {
            api: ApiKey::ApiVersions,
            version,
            correlation_id: 7,
            client_id: Some("ab"),
        };
        let plain = encode_request_frame(head(0), |_| Ok(())).unwrap().concat();
        assert_eq!(plain, b"\x00\x00\x00\x0c\x00\x12\x00\x00\x00\x00\x00\x07\x00\x02ab");
        let flexible = encode_request_frame(head(3), |_| Ok(())).unwrap().concat();
        assert_eq!(flexible, b"\x00\x00\x00\x0d\x00\x12\x00\x03\x00\x00\x00\x07\x00\x02ab\x00");
    }
}
