//! What groups commit: requests encoded ahead, and the reading of their answers.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_client::{Connection, Frame, read_answer};
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::FindCoordinatorResponse;
use millrace_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_wire::messages::offset_commit_response::OffsetCommitResponse;
use millrace_wire::messages::offset_fetch_request::OffsetFetchRequest;
use millrace_wire::messages::offset_fetch_response::OffsetFetchResponse;
use millrace_wire::{ApiKey, ErrorCode};

use super::members::Membership;
use crate::clock;
use crate::error::ClientError;

/// The last versions that ask for one group, and that name topics by name.
const FIND_COORDINATOR: i16 = 3;
const OFFSET_FETCH: i16 = 7;
const OFFSET_COMMIT: i16 = 9;

const GROUP: i8 = 0;
const BROKER_RETENTION: i64 = -1;
const NO_LEADER_EPOCH: i32 = -1;
/// A coordinator that loads or was just made is asked again after so long: below a percent of a second.
const ASK_AGAIN: Duration = Duration::from_millis(2);
/// A broker whose coordinators do not serve by then is broken.
const SERVES_WITHIN: Duration = Duration::from_secs(60);

/// The partition of `__consumer_offsets` that holds a group, as Kafka and its clients compute it.
pub(crate) fn partition_of_group(group: &str, partitions: i32) -> i32 {
    let add = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    let hash = group.encode_utf16().fold(0, add);
    hash.checked_abs().unwrap_or(0) % partitions
}

/// One offset for each partition that is named (partition, offset), by a member or by nobody.
pub(crate) fn commit_frame(
    who: &Membership<'_>,
    topic: &str,
    offsets: &[(i32, i64)],
) -> Result<Frame, ClientError> {
    let partition = |(partition_index, committed_offset): &(i32, i64)| OffsetCommitRequestPartition {
        partition_index: *partition_index,
        committed_offset: *committed_offset,
        committed_leader_epoch: NO_LEADER_EPOCH,
        committed_metadata: Some("".into()),
    };
    let topic = OffsetCommitRequestTopic {
        name: Cow::Borrowed(topic),
        partitions: offsets.iter().map(partition).collect(),
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: Cow::Borrowed(who.group),
        generation_id_or_member_epoch: who.generation,
        member_id: Cow::Borrowed(who.member),
        group_instance_id: None,
        retention_time_ms: BROKER_RETENTION,
        topics: vec![topic],
    };
    Frame::new(ApiKey::OffsetCommit, OFFSET_COMMIT, |writer| request.encode(writer, OFFSET_COMMIT))
}

/// Whether all offsets were taken.
pub(crate) fn check_committed(frame: &Frame, answer: &Bytes) -> Result<(), ClientError> {
    let code = read_answer(frame, answer, |reader| {
        let response = OffsetCommitResponse::decode(reader, frame.version())?;
        let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let refused = partitions.find(|partition| partition.error_code != 0);
        Ok(refused.map_or(0, |partition| partition.error_code))
    })?;
    ClientError::check("OffsetCommit", code)
}

/// Asks for all that a group has committed.
pub(crate) fn committed_frame(group: &str) -> Result<Frame, ClientError> {
    let request =
        OffsetFetchRequest { group_id: group.into(), topics: None, ..OffsetFetchRequest::default() };
    Frame::new(ApiKey::OffsetFetch, OFFSET_FETCH, |writer| request.encode(writer, OFFSET_FETCH))
}

/// What the group has committed (partition, offset) in the one topic; nothing while its coordinator loads.
pub(crate) fn read_committed(frame: &Frame, answer: &Bytes) -> Result<Option<Vec<(i32, i64)>>, ClientError> {
    let (code, offsets) = read_answer(frame, answer, |reader| {
        let response = OffsetFetchResponse::decode(reader, frame.version())?;
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let offsets = partitions.map(|partition| (partition.partition_index, partition.committed_offset));
        Ok((response.error_code, offsets.collect()))
    })?;
    if is_passing(code) {
        return Ok(None);
    }
    ClientError::check("OffsetFetch", code).map(|()| Some(offsets))
}

/// Has the broker make its offsets topic, and waits until the coordinators of these groups serve.
pub(crate) fn await_coordinators(connection: &mut Connection, groups: &[String]) -> Result<(), ClientError> {
    let deadline = clock::now() + SERVES_WITHIN;
    let mut frames = Vec::new();
    for group in groups {
        while !has_coordinator(connection, group)? {
            pause(deadline)?;
        }
        frames.push(committed_frame(group)?);
    }
    loop {
        frames = still_loading(connection, frames)?;
        if frames.is_empty() {
            return Ok(());
        }
        pause(deadline)?;
    }
}

/// Asks for the offsets of all groups at once, and keeps the requests that a loading coordinator refused.
pub(crate) fn still_loading(
    connection: &mut Connection,
    frames: Vec<Frame>,
) -> Result<Vec<Frame>, ClientError> {
    for frame in &frames {
        connection.send(frame)?;
    }
    let mut loading = Vec::new();
    for frame in frames {
        let answer = connection.receive()?;
        if read_committed(&frame, &answer)?.is_none() {
            loading.push(frame);
        }
        connection.recycle(answer);
    }
    Ok(loading)
}

fn pause(deadline: Instant) -> Result<(), ClientError> {
    if clock::now() > deadline {
        return Err(ClientError::Broker("the coordinators of groups do not serve".to_owned()));
    }
    clock::sleep(ASK_AGAIN);
    Ok(())
}

fn has_coordinator(connection: &mut Connection, group: &str) -> Result<bool, ClientError> {
    let version = FIND_COORDINATOR;
    let request =
        FindCoordinatorRequest { key: group.into(), key_type: GROUP, ..FindCoordinatorRequest::default() };
    let frame = Frame::new(ApiKey::FindCoordinator, version, |writer| request.encode(writer, version))?;
    let code =
        connection.call(&frame, |reader| Ok(FindCoordinatorResponse::decode(reader, version)?.error_code))?;
    if is_passing(code) {
        return Ok(false);
    }
    ClientError::check("FindCoordinator", code).map(|()| true)
}

/// Whether a coordinator says that it will serve later.
fn is_passing(code: i16) -> bool {
    let passing =
        [ErrorCode::CoordinatorLoadInProgress, ErrorCode::CoordinatorNotAvailable, ErrorCode::NotCoordinator];
    passing.iter().any(|error| error.code() == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_wire::messages::offset_fetch_response::{
        OffsetFetchResponsePartition, OffsetFetchResponseTopic,
    };

    #[test]
    fn groups_lie_where_java_puts_them() {
        // "id".hashCode() as the JDK gives it: 97, 98629247, 2112 and the least of all numbers.
        let cases = [("a", 47), ("group", 47), ("Aa", 12), ("BB", 12), ("polygenelubricants", 0)];
        for (group, partition) in cases {
            assert_eq!(partition_of_group(group, 50), partition, "{group}");
        }
    }

    #[test]
    fn an_answer_holds_offsets_or_is_to_come_later_or_fails() {
        let read = |error_code| {
            let partition = OffsetFetchResponsePartition {
                partition_index: 3,
                committed_offset: 42,
                ..OffsetFetchResponsePartition::default()
            };
            let topic = OffsetFetchResponseTopic { name: "t".into(), partitions: vec![partition] };
            let response =
                OffsetFetchResponse { error_code, topics: vec![topic], ..OffsetFetchResponse::default() };
            let frame = committed_frame("g").unwrap();
            let header = ApiKey::OffsetFetch.response_header_form(OFFSET_FETCH);
            let answer = millrace_wire::encode_response_frame(1, header, |writer| {
                response.encode(writer, OFFSET_FETCH)
            });
            let answer = Bytes::from(answer.unwrap().concat());
            read_committed(&frame, &answer.slice(4..)).ok()
        };
        assert_eq!(read(0), Some(Some(vec![(3, 42)])));
        assert_eq!(read(ErrorCode::CoordinatorLoadInProgress.code()), Some(None));
        assert_eq!(read(ErrorCode::GroupAuthorizationFailed.code()), None);
    }
}
