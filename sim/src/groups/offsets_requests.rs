//! OffsetCommit and OffsetFetch, as members and tools make them.

use std::collections::BTreeMap;

use millrace_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_wire::messages::offset_commit_response::OffsetCommitResponse;
use millrace_wire::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use millrace_wire::messages::offset_fetch_response::OffsetFetchResponse;
use millrace_wire::{ApiKey, ErrorCode, Reader, Uuid};

use super::joining::Identity;
use super::plan::{GroupsPlan, Place};
use crate::broker::client::{Broken, Client};
use crate::broker::requests::{error_of, missing, nonsense};

const COMMIT_BY_ID: i16 = 10;
const FETCH_BY_ID: i16 = 10;
const FETCH_BATCHED: i16 = 8;
/// First versions that carry the leader epoch beside an offset.
pub(crate) const COMMIT_WITH_EPOCH: i16 = 6;
pub(crate) const FETCH_WITH_EPOCH: i16 = 5;
/// First version in which no list of topics means all of them.
pub(crate) const FETCH_OF_ALL: i16 = 2;

/// One partition of a commit.
#[derive(Debug, Clone)]
pub(crate) struct Committing {
    pub(crate) place: Place,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

/// What a group has committed in one partition; an offset of -1 where it has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedOffsets {
    pub(crate) offset: i64,
    /// Versions before 5 do not tell.
    pub(crate) leader_epoch: Option<i32>,
    pub(crate) metadata: String,
}

/// The answer of each partition, in the order of the request.
pub(crate) async fn commit(
    client: &mut Client,
    plan: &GroupsPlan,
    ids: &[Uuid],
    who: Identity<'_>,
    offsets: &[Committing],
) -> Result<Vec<(Place, ErrorCode)>, Broken> {
    let version = who.slot.versions.commit;
    let mut by_topic: BTreeMap<usize, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
    for committing in offsets {
        by_topic.entry(committing.place.topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: committing.place.partition,
            committed_offset: committing.offset,
            committed_leader_epoch: committing.leader_epoch,
            committed_metadata: Some(committing.metadata.as_str().into()),
        });
    }
    let topics = by_topic.into_iter().map(|(topic, partitions)| OffsetCommitRequestTopic {
        name: if version < COMMIT_BY_ID { plan.topics[topic].name.into() } else { "".into() },
        topic_id: if version < COMMIT_BY_ID { Uuid::ZERO } else { ids[topic] },
        partitions,
    });
    let request = OffsetCommitRequest {
        group_id: who.group.into(),
        generation_id_or_member_epoch: who.generation,
        member_id: who.member.into(),
        group_instance_id: who.instance(),
        retention_time_ms: -1,
        topics: topics.collect(),
    };
    let body = client.ask(ApiKey::OffsetCommit, version, |writer| request.encode(writer, version)).await?;
    let answer = OffsetCommitResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    let mut answers = Vec::new();
    for topic in &answer.topics {
        let number = topic_number(plan, ids, &topic.name, topic.topic_id, version >= COMMIT_BY_ID)?;
        for partition in &topic.partitions {
            let place = Place { topic: number, partition: partition.partition_index };
            answers.push((place, error_of(partition.error_code)?));
        }
    }
    match answers.len() == offsets.len() {
        true => Ok(answers),
        false => Err(Broken::Nonsense(format!("{} answers to {} offsets", answers.len(), offsets.len()))),
    }
}

/// What `group` has committed: of `wanted`, or of all partitions.
pub(crate) async fn fetch(
    client: &mut Client,
    plan: &GroupsPlan,
    ids: &[Uuid],
    (group, version): (&str, i16),
    wanted: Option<&[Place]>,
) -> Result<Result<BTreeMap<Place, FetchedOffsets>, ErrorCode>, Broken> {
    let request = fetch_request(plan, ids, (group, version), wanted);
    let body = client.ask(ApiKey::OffsetFetch, version, |writer| request.encode(writer, version)).await?;
    let answer = OffsetFetchResponse::decode(&mut Reader::new(&body), version).map_err(nonsense)?;
    let mut code = answer.error_code;
    // Topic, partition, offset, epoch, metadata and error of each partition, of either form.
    let mut rows = Vec::new();
    if version >= FETCH_BATCHED {
        let group = answer.groups.first().ok_or_else(|| missing("the group"))?;
        code = group.error_code;
        for topic in &group.topics {
            let number = topic_number(plan, ids, &topic.name, topic.topic_id, version >= FETCH_BY_ID)?;
            let all = topic.partitions.iter();
            rows.extend(all.map(|it| {
                let place = Place { topic: number, partition: it.partition_index };
                (place, it.committed_offset, it.committed_leader_epoch, it.metadata.clone(), it.error_code)
            }));
        }
    }
    for topic in &answer.topics {
        let number = topic_number(plan, ids, &topic.name, Uuid::ZERO, false)?;
        let all = topic.partitions.iter();
        rows.extend(all.map(|it| {
            let place = Place { topic: number, partition: it.partition_index };
            (place, it.committed_offset, it.committed_leader_epoch, it.metadata.clone(), it.error_code)
        }));
    }
    if let Some(row) = rows.iter().find(|row| row.4 != ErrorCode::None.code()) {
        code = row.4;
    }
    if code != ErrorCode::None.code() {
        return Ok(Err(error_of(code)?));
    }
    let fetched = rows.into_iter().map(|(place, offset, epoch, metadata, _)| {
        let leader_epoch = (version >= FETCH_WITH_EPOCH).then_some(epoch);
        (place, FetchedOffsets { offset, leader_epoch, metadata: metadata.unwrap_or_default().into_owned() })
    });
    Ok(Ok(fetched.collect()))
}

fn fetch_request<'a>(
    plan: &'a GroupsPlan,
    ids: &[Uuid],
    (group, version): (&'a str, i16),
    wanted: Option<&[Place]>,
) -> OffsetFetchRequest<'a> {
    let by_topic = wanted.map(|wanted| {
        let mut by_topic: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for place in wanted {
            by_topic.entry(place.topic).or_default().push(place.partition);
        }
        by_topic
    });
    let mut request = OffsetFetchRequest::default();
    if version < FETCH_BATCHED {
        request.group_id = group.into();
        request.topics = by_topic.map(|topics| {
            let topics = topics.into_iter().map(|(topic, partition_indexes)| OffsetFetchRequestTopic {
                name: plan.topics[topic].name.into(),
                partition_indexes,
            });
            topics.collect()
        });
        return request;
    }
    let by_id = version >= FETCH_BY_ID;
    let topics = by_topic.map(|topics| {
        let topics = topics.into_iter().map(|(topic, partition_indexes)| OffsetFetchRequestTopics {
            name: if by_id { "".into() } else { plan.topics[topic].name.into() },
            topic_id: if by_id { ids[topic] } else { Uuid::ZERO },
            partition_indexes,
        });
        topics.collect()
    });
    request.groups = vec![OffsetFetchRequestGroup {
        group_id: group.into(),
        topics,
        ..OffsetFetchRequestGroup::default()
    }];
    request
}

fn topic_number(plan: &GroupsPlan, ids: &[Uuid], name: &str, id: Uuid, by_id: bool) -> Result<usize, Broken> {
    let found = match by_id {
        true => ids.iter().position(|known| *known == id),
        false => plan.topics.iter().position(|known| known.name == name),
    };
    found.ok_or_else(|| Broken::Nonsense(format!("an answer for topic {name:?} {id:?}")))
}
