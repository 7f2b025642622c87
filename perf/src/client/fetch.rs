//! Fetch requests of a consumer by assignment, without sessions.

use std::borrow::Cow;

use bytes::Bytes;
use millrace_client::{Connection, Frame, read_answer};
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::fetch_response::FetchResponse;
use millrace_wire::{ApiKey, Records};

use crate::error::ClientError;

const WAIT_MS: i32 = 500;
/// Of one answer; the broker returns at least one batch all the same.
const ANSWER_BYTES: i32 = 50 * 1024 * 1024;

/// From where a partition is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchPlace {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
}

/// Asks once and hands each partition's records to `visit`, which keeps none of them:
/// their memory serves again.
pub(crate) fn fetch(
    connection: &mut Connection,
    topic: &str,
    places: &[FetchPlace],
    visit: impl FnMut(i32, &Bytes),
) -> Result<(), ClientError> {
    let frame = fetch_frame(connection.dialect().fetch, topic, places)?;
    connection.send(&frame)?;
    let answer = connection.receive()?;
    read_fetched(&frame, &answer, visit)?;
    connection.recycle(answer);
    Ok(())
}

/// A request for records of these partitions, answered when there are some or after half a second.
pub(crate) fn fetch_frame(version: i16, topic: &str, places: &[FetchPlace]) -> Result<Frame, ClientError> {
    let partition = |place: &FetchPlace| FetchPartition {
        partition: place.partition,
        fetch_offset: place.offset,
        partition_max_bytes: place.bytes_max,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: Cow::Borrowed(topic),
        partitions: places.iter().map(partition).collect(),
        ..FetchTopic::default()
    };
    let request = FetchRequest {
        max_wait_ms: WAIT_MS,
        min_bytes: 1,
        max_bytes: ANSWER_BYTES,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    Frame::new(ApiKey::Fetch, version, |writer| request.encode(writer, version))
}

/// Hands the records of each partition in the answer to `visit`.
pub(crate) fn read_fetched(
    frame: &Frame,
    answer: &Bytes,
    mut visit: impl FnMut(i32, &Bytes),
) -> Result<(), ClientError> {
    let code = read_answer(frame, answer, |reader| {
        let response = FetchResponse::decode(reader, frame.version())?;
        let mut code = response.error_code;
        for partition in response.responses.into_iter().flat_map(|topic| topic.partitions) {
            code = if code == 0 { partition.error_code } else { code };
            visit(partition.partition_index, &partition.records.map(Records::into_bytes).unwrap_or_default());
        }
        Ok(code)
    })?;
    ClientError::check("Fetch", code)
}
