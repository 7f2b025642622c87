//! A member's requests over the wire, one at a time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use millrace_wire::messages::heartbeat_request::HeartbeatRequest;
use millrace_wire::messages::heartbeat_response::HeartbeatResponse;
use millrace_wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_wire::messages::join_group_response::JoinGroupResponse;
use millrace_wire::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use millrace_wire::messages::leave_group_response::LeaveGroupResponse;
use millrace_wire::messages::offset_commit_response::OffsetCommitResponse;
use millrace_wire::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use millrace_wire::messages::offset_fetch_response::OffsetFetchResponse;
use millrace_wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use millrace_wire::messages::sync_group_response::SyncGroupResponse;
use millrace_wire::{ApiKey, Bytes, ErrorCode};

use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::groups::{Committer, OFFSET_COMMIT, OFFSET_FETCH, answered, commit_request};
use crate::member::{
    ASSIGNOR, Answer, Generation, GroupSettings, Joined, PROTOCOL_TYPE, Request, Subscriber, read_assignment,
    read_subscription, write_assignment, write_subscription,
};
use crate::place::{Place, by_topic};
use crate::transport::Peer;

/// From the versions on that Kafka 4 still reads, to the newest without topics by their ids.
const JOIN_GROUP: RangeInclusive<i16> = 2..=9;
const SYNC_GROUP: RangeInclusive<i16> = 0..=5;
const HEARTBEAT: RangeInclusive<i16> = 0..=4;
const LEAVE_GROUP: RangeInclusive<i16> = 0..=5;
/// First versions that know static members.
const JOIN_GROUP_STATIC: i16 = 5;
const SYNC_GROUP_STATIC: i16 = 3;
const HEARTBEAT_STATIC: i16 = 3;
const OFFSET_COMMIT_STATIC: i16 = 7;
/// The first version in which several members leave at once.
const LEAVE_GROUP_SEVERAL: i16 = 3;
/// The first version that can be told to wait for offsets of open transactions.
const OFFSET_FETCH_STABLE: i16 = 7;

/// A coordinator answers what needs nobody else within it, or has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks the brokers for one member. What broke is connected anew with the next request.
pub(super) struct Caller {
    settings: GroupSettings,
    bootstrap: Vec<String>,
    /// Addresses of brokers that were known when the last connection broke.
    known: Vec<String>,
    cluster: Option<Cluster>,
    coordinator: Option<i32>,
}

impl Caller {
    pub(super) fn new(settings: GroupSettings, bootstrap: Vec<String>, known: Vec<String>) -> Caller {
        Caller { settings, bootstrap, known, cluster: None, coordinator: None }
    }

    pub(super) fn ask(&mut self, request: &Request) -> Answer {
        match self.try_ask(request) {
            Ok(answer) => answer,
            Err(failure @ (ClientError::Io { .. } | ClientError::Usage(_))) => {
                if let Some(cluster) = self.cluster.take() {
                    self.known = cluster.known();
                }
                self.coordinator = None;
                Answer::Broken(failure.to_string())
            }
            Err(failure) => Answer::Unusable(failure),
        }
    }

    fn try_ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        if self.cluster.is_none() {
            self.cluster = Some(Cluster::open_again(&self.bootstrap, &self.known)?);
        }
        let Some(cluster) = &mut self.cluster else { return Err(ClientError::silent()) };
        let settings = &self.settings;
        match request {
            Request::FindCoordinator => {
                let (code, node) = cluster.find_coordinator(&settings.group)?;
                if code == 0 && !cluster.brokers().contains(&node) {
                    cluster.look_at_brokers()?;
                }
                self.coordinator = Some(node).filter(|node| cluster.brokers().contains(node));
                return Ok(match (code, self.coordinator) {
                    (0, Some(_)) => Answer::Found,
                    (0, None) => Answer::Refused(ErrorCode::CoordinatorNotAvailable.code()),
                    (code, _) => Answer::Refused(code),
                });
            }
            Request::Count(topics) => return count(cluster, topics),
            _ => {}
        }
        let Some(node) = self.coordinator.filter(|node| cluster.brokers().contains(node)) else {
            return Ok(Answer::Refused(ErrorCode::NotCoordinator.code()));
        };
        let peer = cluster.broker(node)?;
        peer.set_answer_timeout(match request.waits_for_others() {
            true => settings.rebalance_timeout + ANSWER_TIMEOUT,
            false => ANSWER_TIMEOUT,
        })?;
        match request {
            Request::FindCoordinator | Request::Count(_) => Err(ClientError::silent()),
            Request::Join(generation) => join(peer, settings, generation),
            Request::Sync(generation, assignments) => sync(peer, settings, generation, assignments),
            Request::Committed(places) => committed(peer, settings, places),
            Request::Heartbeat(generation) => heartbeat(peer, settings, generation),
            Request::Commit(generation, offsets) => commit(peer, settings, generation, offsets),
            Request::Leave(generation) => leave(peer, settings, generation),
        }
    }
}

/// Topics that do not exist, or that nobody may see, have no partitions for anybody.
fn count(cluster: &mut Cluster, topics: &BTreeSet<String>) -> Result<Answer, ClientError> {
    let mut counts = BTreeMap::new();
    for (name, seen) in cluster.describe_topics(topics)? {
        match seen {
            Ok(topic) => {
                counts.insert(name, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
            }
            Err(refusal) if refusal.is(ErrorCode::LeaderNotAvailable) => {
                return Ok(Answer::Refused(refusal.code));
            }
            Err(_) => {}
        }
    }
    Ok(Answer::Counted(counts))
}

fn join(peer: &mut Peer, settings: &GroupSettings, generation: &Generation) -> Result<Answer, ClientError> {
    let protocol = JoinGroupRequestProtocol {
        name: ASSIGNOR.into(),
        metadata: Cow::Owned(write_subscription(&settings.topics)?),
    };
    let request = JoinGroupRequest {
        group_id: settings.group.as_str().into(),
        session_timeout_ms: milliseconds(settings.session_timeout),
        rebalance_timeout_ms: milliseconds(settings.rebalance_timeout),
        member_id: generation.member.as_str().into(),
        group_instance_id: instance(settings),
        protocol_type: PROTOCOL_TYPE.into(),
        protocols: vec![protocol],
        reason: None,
    };
    peer.call(
        ApiKey::JoinGroup,
        versions(settings, JOIN_GROUP, JOIN_GROUP_STATIC),
        |writer, version| request.encode(writer, version),
        |reader, version| Ok(joined(&JoinGroupResponse::decode(reader, version)?)),
    )
}

fn joined(response: &JoinGroupResponse<'_>) -> Answer {
    if response.error_code == ErrorCode::MemberIdRequired.code() {
        return Answer::MemberIdRequired(response.member_id.to_string());
    }
    if response.error_code != 0 {
        return Answer::Refused(response.error_code);
    }
    let mut subscribers = Vec::new();
    for member in &response.members {
        // What cannot be read is of a member that no consumer could give anything.
        let topics = read_subscription(&Bytes::copy_from_slice(&member.metadata)).unwrap_or_default();
        let instance = member.group_instance_id.as_deref().map(str::to_owned);
        subscribers.push(Subscriber { member: member.member_id.to_string(), instance, topics });
    }
    Answer::Joined(Joined {
        generation: response.generation_id,
        member: response.member_id.to_string(),
        leader: response.leader.to_string(),
        keeps_assignment: response.skip_assignment,
        subscribers,
    })
}

fn sync(
    peer: &mut Peer,
    settings: &GroupSettings,
    generation: &Generation,
    assignments: &BTreeMap<String, BTreeSet<Place>>,
) -> Result<Answer, ClientError> {
    let mut written = Vec::new();
    for (member, places) in assignments {
        let assignment = Cow::Owned(write_assignment(places)?);
        written.push(SyncGroupRequestAssignment { member_id: member.as_str().into(), assignment });
    }
    let request = SyncGroupRequest {
        group_id: settings.group.as_str().into(),
        generation_id: generation.id,
        member_id: generation.member.as_str().into(),
        group_instance_id: instance(settings),
        protocol_type: Some(PROTOCOL_TYPE.into()),
        protocol_name: Some(ASSIGNOR.into()),
        assignments: written,
    };
    peer.call(
        ApiKey::SyncGroup,
        versions(settings, SYNC_GROUP, SYNC_GROUP_STATIC),
        |writer, version| request.encode(writer, version),
        |reader, version| {
            let response = SyncGroupResponse::decode(reader, version)?;
            Ok(match response.error_code {
                0 => Answer::Synced(read_assignment(&Bytes::copy_from_slice(&response.assignment))?),
                code => Answer::Refused(code),
            })
        },
    )
}

fn committed(
    peer: &mut Peer,
    settings: &GroupSettings,
    places: &BTreeSet<Place>,
) -> Result<Answer, ClientError> {
    let topics = by_topic(places.iter().map(|place| (place, ())), |partition, ()| partition).into_iter();
    let topic = |(name, partition_indexes): (&'_ str, _)| OffsetFetchRequestTopic {
        name: name.to_owned().into(),
        partition_indexes,
    };
    let mut request = OffsetFetchRequest {
        group_id: settings.group.as_str().into(),
        topics: Some(topics.map(topic).collect()),
        ..OffsetFetchRequest::default()
    };
    peer.call(
        ApiKey::OffsetFetch,
        OFFSET_FETCH,
        |writer, version| {
            request.require_stable = version >= OFFSET_FETCH_STABLE;
            request.encode(writer, version)
        },
        |reader, version| {
            let response = OffsetFetchResponse::decode(reader, version)?;
            if response.error_code != 0 {
                return Ok(Answer::Refused(response.error_code));
            }
            let mut found = BTreeMap::new();
            for topic in &response.topics {
                found.extend(topic.partitions.iter().map(|partition| {
                    let offset = match partition.error_code {
                        0 => Ok(Some(partition.committed_offset).filter(|offset| *offset >= 0)),
                        code => Err(code),
                    };
                    (Place::new(topic.name.as_ref(), partition.partition_index), offset)
                }));
            }
            Ok(Answer::Committed(found))
        },
    )
}

fn heartbeat(
    peer: &mut Peer,
    settings: &GroupSettings,
    generation: &Generation,
) -> Result<Answer, ClientError> {
    let request = HeartbeatRequest {
        group_id: settings.group.as_str().into(),
        generation_id: generation.id,
        member_id: generation.member.as_str().into(),
        group_instance_id: instance(settings),
    };
    peer.call(
        ApiKey::Heartbeat,
        versions(settings, HEARTBEAT, HEARTBEAT_STATIC),
        |writer, version| request.encode(writer, version),
        |reader, version| Ok(done(HeartbeatResponse::decode(reader, version)?.error_code)),
    )
}

fn commit(
    peer: &mut Peer,
    settings: &GroupSettings,
    generation: &Generation,
    offsets: &BTreeMap<Place, i64>,
) -> Result<Answer, ClientError> {
    let committer = Committer {
        group: &settings.group,
        generation: generation.id,
        member: &generation.member,
        instance: settings.instance.as_deref(),
    };
    let request = commit_request(&committer, offsets);
    peer.call(
        ApiKey::OffsetCommit,
        versions(settings, OFFSET_COMMIT, OFFSET_COMMIT_STATIC),
        |writer, version| request.encode(writer, version),
        |reader, version| {
            let codes = answered(&OffsetCommitResponse::decode(reader, version)?);
            Ok(Answer::Stored(codes.into_iter().collect()))
        },
    )
}

fn leave(peer: &mut Peer, settings: &GroupSettings, generation: &Generation) -> Result<Answer, ClientError> {
    let encode = |writer: &mut _, version| {
        let mut request =
            LeaveGroupRequest { group_id: settings.group.as_str().into(), ..LeaveGroupRequest::default() };
        let member_id = Cow::Borrowed(generation.member.as_str());
        match version >= LEAVE_GROUP_SEVERAL {
            true => {
                request.members =
                    vec![MemberIdentity { member_id, group_instance_id: instance(settings), reason: None }];
            }
            false => request.member_id = member_id,
        }
        request.encode(writer, version)
    };
    peer.call(ApiKey::LeaveGroup, LEAVE_GROUP, encode, |reader, version| {
        let response = LeaveGroupResponse::decode(reader, version)?;
        let of_member = response.members.first().map_or(0, |member| member.error_code);
        Ok(done(if response.error_code == 0 { of_member } else { response.error_code }))
    })
}

fn done(code: i16) -> Answer {
    if code == 0 { Answer::Done } else { Answer::Refused(code) }
}

fn instance(settings: &GroupSettings) -> Option<Cow<'_, str>> {
    settings.instance.as_deref().map(Cow::Borrowed)
}

/// Versions that can say what has to be said.
fn versions(settings: &GroupSettings, all: RangeInclusive<i16>, of_static: i16) -> RangeInclusive<i16> {
    match settings.instance {
        Some(_) => of_static..=*all.end(),
        None => all,
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
