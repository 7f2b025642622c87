//! Requests to the coordinators of groups, and what is read of their answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use millrace_wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use millrace_wire::messages::consumer_group_describe_response::{
    ConsumerGroupDescribeResponse, DescribedGroup as ConsumerGroup,
};
use millrace_wire::messages::delete_groups_request::DeleteGroupsRequest;
use millrace_wire::messages::delete_groups_response::DeleteGroupsResponse;
use millrace_wire::messages::describe_groups_request::DescribeGroupsRequest;
use millrace_wire::messages::describe_groups_response::{DescribeGroupsResponse, DescribedGroup};
use millrace_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use millrace_wire::messages::find_coordinator_response::FindCoordinatorResponse;
use millrace_wire::messages::list_groups_request::ListGroupsRequest;
use millrace_wire::messages::list_groups_response::ListGroupsResponse;
use millrace_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_wire::messages::offset_commit_response::OffsetCommitResponse;
use millrace_wire::messages::offset_fetch_request::OffsetFetchRequest;
use millrace_wire::messages::offset_fetch_response::OffsetFetchResponse;
use millrace_wire::{ApiKey, ErrorCode};

use crate::clock;
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::member::Generation;
use crate::place::{NO_LEADER_EPOCH, Place, by_topic};

const LIST_GROUPS_LAST: i16 = 5;
/// First versions that take a filter of states, and of types.
const FIRST_WITH_STATES: i16 = 4;
const FIRST_WITH_TYPES: i16 = 5;
/// The last version that asks for one group, and says its type.
const FIND_COORDINATOR: RangeInclusive<i16> = 1..=3;
const DESCRIBE_GROUPS: RangeInclusive<i16> = 0..=6;
const CONSUMER_GROUP_DESCRIBE: RangeInclusive<i16> = 0..=1;
/// From the version on that can ask for all partitions, to the last that asks for one group.
pub(crate) const OFFSET_FETCH: RangeInclusive<i16> = 2..=7;
/// The last version that names topics by name.
pub(crate) const OFFSET_COMMIT: RangeInclusive<i16> = 2..=9;
const DELETE_GROUPS: RangeInclusive<i16> = 0..=2;

/// Asks for the coordinator of a group.
const GROUP: i8 = 0;
const BROKER_RETENTION: i64 = -1;

/// A group as it is listed. Texts are Kafka's; empty where the broker is too old to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedGroup {
    pub id: String,
    /// `classic`, `consumer`, `share` or `streams`.
    pub kind: String,
    pub protocol_type: String,
    pub state: String,
}

impl Cluster {
    pub(crate) fn groups_at(
        &mut self,
        broker: i32,
        states: &[String],
        kinds: &[String],
    ) -> Result<Vec<ListedGroup>, ClientError> {
        let first = match (states, kinds) {
            ([], []) => 0,
            (_, []) => FIRST_WITH_STATES,
            _ => FIRST_WITH_TYPES,
        };
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|state| state.as_str().into()).collect(),
            types_filter: kinds.iter().map(|kind| kind.as_str().into()).collect(),
        };
        let peer = self.broker(broker)?;
        let loaded = clock::insist(|| {
            let (code, groups) = peer.call(
                ApiKey::ListGroups,
                first..=LIST_GROUPS_LAST,
                |writer, version| request.encode(writer, version),
                |reader, version| {
                    let response = ListGroupsResponse::decode(reader, version)?;
                    Ok((response.error_code, response.groups.iter().map(listed).collect::<Vec<_>>()))
                },
            )?;
            settled(code).then(|| ClientError::check("ListGroups", code).map(|()| groups)).transpose()
        })?;
        loaded.ok_or_else(|| ClientError::Broker("the broker's groups are still being loaded".to_owned()))
    }

    /// Asks until the group's coordinator is there; `ask` gives the answer and its error code.
    fn ask_coordinator<T>(
        &mut self,
        group: &str,
        mut ask: impl FnMut(&mut Cluster, i32) -> Result<(i16, T), ClientError>,
    ) -> Result<(i16, T), ClientError> {
        let answer = clock::insist(|| {
            let (code, node) = self.find_coordinator(group)?;
            if !settled(code) {
                return Ok(None);
            }
            ClientError::check(&format!("a question for the coordinator of group {group}"), code)?;
            let (code, answer) = ask(self, node)?;
            Ok(settled(code).then_some((code, answer)))
        })?;
        answer.ok_or_else(|| ClientError::Broker(format!("group {group} has no coordinator that serves it")))
    }

    /// Error code and id of the group's coordinator.
    pub(crate) fn find_coordinator(&mut self, group: &str) -> Result<(i16, i32), ClientError> {
        let request = FindCoordinatorRequest {
            key: group.into(),
            key_type: GROUP,
            ..FindCoordinatorRequest::default()
        };
        self.any().call(
            ApiKey::FindCoordinator,
            FIND_COORDINATOR,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = FindCoordinatorResponse::decode(reader, version)?;
                Ok((response.error_code, response.node_id))
            },
        )
    }

    /// The group as the classic protocol has it.
    pub(crate) fn describe_classic<T>(
        &mut self,
        group: &str,
        read: impl Fn(&DescribedGroup<'_>) -> T,
    ) -> Result<Option<T>, ClientError> {
        let request =
            DescribeGroupsRequest { groups: vec![group.into()], ..DescribeGroupsRequest::default() };
        let ask = |cluster: &mut Cluster, node| {
            cluster.broker(node)?.call(
                ApiKey::DescribeGroups,
                DESCRIBE_GROUPS,
                |writer, version| request.encode(writer, version),
                |reader, version| {
                    let response = DescribeGroupsResponse::decode(reader, version)?;
                    let group = response.groups.first();
                    Ok((group.map_or(0, |group| group.error_code), group.map(&read)))
                },
            )
        };
        Ok(self.ask_coordinator(group, ask)?.1)
    }

    /// The group as KIP-848 has it; nothing where the broker does not serve that.
    pub(crate) fn describe_consumer<T>(
        &mut self,
        group: &str,
        read: impl Fn(&ConsumerGroup<'_>) -> T,
    ) -> Result<Option<T>, ClientError> {
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![group.into()],
            include_authorized_operations: false,
        };
        let ask = |cluster: &mut Cluster, node| {
            let peer = cluster.broker(node)?;
            if !peer.serves(ApiKey::ConsumerGroupDescribe) {
                return Ok((0, None));
            }
            peer.call(
                ApiKey::ConsumerGroupDescribe,
                CONSUMER_GROUP_DESCRIBE,
                |writer, version| request.encode(writer, version),
                |reader, version| {
                    let response = ConsumerGroupDescribeResponse::decode(reader, version)?;
                    let group = response.groups.first();
                    Ok((group.map_or(0, |group| group.error_code), group.map(&read)))
                },
            )
        };
        Ok(self.ask_coordinator(group, ask)?.1)
    }

    pub(crate) fn fetch_committed(&mut self, group: &str) -> Result<BTreeMap<Place, i64>, ClientError> {
        let request =
            OffsetFetchRequest { group_id: group.into(), topics: None, ..OffsetFetchRequest::default() };
        let ask = |cluster: &mut Cluster, node| {
            cluster.broker(node)?.call(
                ApiKey::OffsetFetch,
                OFFSET_FETCH,
                |writer, version| request.encode(writer, version),
                |reader, version| {
                    let response = OffsetFetchResponse::decode(reader, version)?;
                    Ok((response.error_code, committed(&response)))
                },
            )
        };
        let (code, committed) = self.ask_coordinator(group, ask)?;
        ClientError::check(&format!("a question for offsets of group {group}"), code).map(|()| committed)
    }

    /// Each place with its error code.
    pub(crate) fn commit_offsets(
        &mut self,
        group: &str,
        offsets: &BTreeMap<Place, i64>,
    ) -> Result<Vec<(Place, i16)>, ClientError> {
        let request = commit_request(&Committer::nobody(group), offsets);
        let ask = |cluster: &mut Cluster, node| {
            cluster.broker(node)?.call(
                ApiKey::OffsetCommit,
                OFFSET_COMMIT,
                |writer, version| request.encode(writer, version),
                |reader, version| {
                    let codes = answered(&OffsetCommitResponse::decode(reader, version)?);
                    Ok((codes.first().map_or(0, |(_, code)| *code), codes))
                },
            )
        };
        Ok(self.ask_coordinator(group, ask)?.1)
    }

    /// The error code.
    pub(crate) fn delete(&mut self, group: &str) -> Result<i16, ClientError> {
        let request = DeleteGroupsRequest { groups_names: vec![group.into()] };
        let ask = |cluster: &mut Cluster, node| {
            cluster.broker(node)?.call(
                ApiKey::DeleteGroups,
                DELETE_GROUPS,
                |writer, version| request.encode(writer, version),
                |reader, version| {
                    let response = DeleteGroupsResponse::decode(reader, version)?;
                    Ok((response.results.first().map_or(0, |result| result.error_code), ()))
                },
            )
        };
        Ok(self.ask_coordinator(group, ask)?.0)
    }
}

/// Whether an answer is one: a coordinator that is loading, moving or just made says so, and is asked again.
fn settled(code: i16) -> bool {
    let passing =
        [ErrorCode::CoordinatorLoadInProgress, ErrorCode::CoordinatorNotAvailable, ErrorCode::NotCoordinator];
    !passing.iter().any(|error| error.code() == code)
}

fn listed(group: &millrace_wire::messages::list_groups_response::ListedGroup<'_>) -> ListedGroup {
    ListedGroup {
        id: group.group_id.to_string(),
        kind: group.group_type.to_lowercase(),
        protocol_type: group.protocol_type.to_string(),
        state: group.group_state.to_string(),
    }
}

fn committed(response: &OffsetFetchResponse<'_>) -> BTreeMap<Place, i64> {
    let mut committed = BTreeMap::new();
    for topic in &response.topics {
        let partitions = topic.partitions.iter().filter(|partition| partition.committed_offset >= 0);
        committed.extend(partitions.map(|partition| {
            let place = Place::new(topic.name.as_ref(), partition.partition_index);
            (place, partition.committed_offset)
        }));
    }
    committed
}

/// Who commits.
pub(crate) struct Committer<'a> {
    pub(crate) group: &'a str,
    pub(crate) generation: i32,
    pub(crate) member: &'a str,
    pub(crate) instance: Option<&'a str>,
}

impl<'a> Committer<'a> {
    /// A tool, for a group without members.
    fn nobody(group: &'a str) -> Committer<'a> {
        Committer { group, generation: Generation::NONE, member: "", instance: None }
    }
}

pub(crate) fn commit_request<'a>(
    who: &Committer<'a>,
    offsets: &'a BTreeMap<Place, i64>,
) -> OffsetCommitRequest<'a> {
    let partition = |partition_index, offset: &i64| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: *offset,
        committed_leader_epoch: NO_LEADER_EPOCH,
        committed_metadata: Some("".into()),
    };
    let topic = |(name, partitions): (&'a str, _)| OffsetCommitRequestTopic {
        name: name.into(),
        partitions,
        ..OffsetCommitRequestTopic::default()
    };
    OffsetCommitRequest {
        group_id: who.group.into(),
        generation_id_or_member_epoch: who.generation,
        member_id: who.member.into(),
        group_instance_id: who.instance.map(Cow::Borrowed),
        retention_time_ms: BROKER_RETENTION,
        topics: by_topic(offsets, partition).into_iter().map(topic).collect(),
    }
}

/// Each place with its error code.
pub(crate) fn answered(response: &OffsetCommitResponse<'_>) -> Vec<(Place, i16)> {
    let mut answered = Vec::new();
    for topic in &response.topics {
        answered.extend(topic.partitions.iter().map(|partition| {
            let place = Place::new(topic.name.as_ref(), partition.partition_index);
            (place, partition.error_code)
        }));
    }
    answered
}
