//! Reads the header of a request in the version that its API and version ask for.

use crate::api::ApiKey;
use crate::messages::request_header::RequestHeader;
use millrace_codec::{DecodeError, Reader};

/// Why a request cannot be read; Kafka closes the connection on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("unknown api key {0}")]
    UnknownApi(i16),
    #[error("header: {0}")]
    Malformed(#[from] DecodeError),
}

/// The API and the header, the reader left at the body. The version is not judged: an unknown version of
/// ApiVersions gets an answer, of any other API it closes the connection.
pub fn decode_request_header<'a>(
    reader: &mut Reader<'a>,
) -> Result<(ApiKey, RequestHeader<'a>), HeaderError> {
    let (key, version) = peek_key(reader)?;
    let api = ApiKey::from_i16(key).ok_or(HeaderError::UnknownApi(key))?;
    let header = RequestHeader::decode(reader, api.request_header_version(version))?;
    Ok((api, header))
}

/// The first two fields, which have the same place in every header version.
fn peek_key(reader: &Reader<'_>) -> Result<(i16, i16), DecodeError> {
    let mut ahead = reader.clone();
    Ok((ahead.i16()?, ahead.i16()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn check(frame: &'static [u8], expected: Result<(ApiKey, i16, i32, Option<&str>, usize), HeaderError>) {
        let frame = Bytes::from_static(frame);
        let mut reader = Reader::new(&frame);
        let seen = decode_request_header(&mut reader);
        let seen = seen.as_ref().map_err(|error| *error).map(|(api, header)| {
            let id = header.correlation_id;
            (*api, header.request_api_version, id, header.client_id.as_deref(), reader.remaining())
        });
        assert_eq!(seen, expected, "{frame:x?}");
    }

    #[test]
    fn headers_of_both_versions() {
        let plain = b"\x00\x00\x00\x03\x00\x00\x00\x07\x00\x02abBODY";
        check(plain, Ok((ApiKey::Produce, 3, 7, Some("ab"), 4)));
        let flexible = b"\x00\x00\x00\x09\x00\x00\x00\x07\x00\x02ab\x00BODY";
        check(flexible, Ok((ApiKey::Produce, 9, 7, Some("ab"), 4)));
        let tagged = b"\x00\x12\x00\x03\x00\x00\x00\x07\xff\xff\x01\x05\x02zzBODY";
        check(tagged, Ok((ApiKey::ApiVersions, 3, 7, None, 4)));
        let unknown_version = b"\x00\x12\x7f\xff\x00\x00\x00\x07\xff\xff\x00BODY";
        check(unknown_version, Ok((ApiKey::ApiVersions, 0x7fff, 7, None, 4)));
    }

    #[test]
    fn bad_headers() {
        check(b"\x00\x04\x00\x00\x00\x00\x00\x07\xff\xff", Err(HeaderError::UnknownApi(4)));
        let end = |wanted, remaining| Err(DecodeError::EndOfInput { wanted, remaining }.into());
        check(b"\x00\x12\x00", end(2, 1));
        check(b"\x00\x12\x00\x00\x00\x00\x00\x07\x00\x09ab", end(9, 2));
    }
}
