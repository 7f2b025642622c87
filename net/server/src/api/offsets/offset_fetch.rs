//! OffsetFetch 1-10: what groups have committed; of one group, from version 8 of several.

use std::borrow::Cow;

use millrace_core::base::PartitionIndex;
use millrace_core::coord::{CommittedOffset, Epoch, GroupError, MemberId, TopicName};
use millrace_core::meta::MetadataImage;
use millrace_shard::{FetchOffsets, OffsetSelection, SelectedOffsets};
use millrace_wire::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestGroup};
use millrace_wire::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use millrace_wire::{ErrorCode, Reader, Uuid};
use rustc_hash::FxHashMap;

use crate::api::errors;
use crate::api::request::context::{Outcome, RequestContext, RequestFault};
use crate::api::request::ids::{topic_id, uuid};
use crate::api::request::yields::YieldCounter;

/// First version with an error beside the topics.
const FIRST_WITH_ERROR: i16 = 2;
/// First version that asks for several groups.
const FIRST_BATCHED: i16 = 8;
/// First version in which topics are named by their ids.
const FIRST_BY_ID: i16 = 10;

/// The offset of a partition without a committed one.
const NO_OFFSET: i64 = -1;
const NO_EPOCH: i32 = -1;

/// The epoch of a client that is not a member.
const NO_MEMBER: Epoch = Epoch(-1);

/// A requested topic.
struct WantedOffsets<'a> {
    name: Cow<'a, str>,
    id: Uuid,
    partitions: Vec<i32>,
    /// Why its offsets are unknown.
    fault: Option<ErrorCode>,
}

/// The client that asks for the offsets of a group.
struct Asker<'a> {
    group: &'a str,
    member: Option<&'a str>,
    epoch: Epoch,
}

impl<'a> Asker<'a> {
    fn nobody(group: &'a str) -> Asker<'a> {
        Asker { group, member: None, epoch: NO_MEMBER }
    }

    fn of(group: &'a OffsetFetchRequestGroup<'_>) -> Asker<'a> {
        let member = group.member_id.as_deref();
        Asker { group: &group.group_id, member, epoch: Epoch(group.member_epoch) }
    }
}

/// One topic of a response.
struct Found<'a> {
    name: Cow<'a, str>,
    id: Uuid,
    partitions: Vec<(i32, Result<Option<CommittedOffset>, ErrorCode>)>,
}

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let version = context.version();
    let request = OffsetFetchRequest::decode(&mut Reader::new(&context.body), version)?;
    let mut response = OffsetFetchResponse::default();
    if version >= FIRST_BATCHED {
        let (mut bytes, mut yields) = (0, YieldCounter::default());
        for group in &request.groups {
            yields.step().await;
            let of_group = group_response(&context, group).await;
            bytes += of_group.topics.iter().map(size_of_topic).sum::<usize>();
            // A request may name a group again and again, and ask for all its offsets in a few bytes.
            if bytes > context.server.described_bytes_max() {
                return Err(RequestFault::ResponseTooLong);
            }
            response.groups.push(of_group);
        }
        return context.respond(|writer, version| response.encode(writer, version));
    }
    let wanted = request.topics.as_ref().map(|topics| {
        let wanted = topics.iter().map(|topic| WantedOffsets {
            name: topic.name.clone(),
            id: Uuid::ZERO,
            partitions: topic.partition_indexes.clone(),
            fault: None,
        });
        wanted.collect::<Vec<_>>()
    });
    match fetch(&context, Asker::nobody(&request.group_id), wanted).await {
        Ok(found) => response.topics = found.into_iter().map(of_topic).collect(),
        Err(error) => {
            let code = errors::of_group(error);
            response.error_code = code.code();
            // Earlier versions have an error only for each partition.
            if version < FIRST_WITH_ERROR {
                let topics = request.topics.iter().flatten().map(|topic| Found {
                    name: topic.name.clone(),
                    id: Uuid::ZERO,
                    partitions: topic.partition_indexes.iter().map(|index| (*index, Err(code))).collect(),
                });
                response.topics = topics.map(of_topic).collect();
            }
        }
    }
    context.respond(|writer, version| response.encode(writer, version))
}

async fn group_response<'a>(
    context: &RequestContext,
    group: &OffsetFetchRequestGroup<'a>,
) -> OffsetFetchResponseGroup<'a> {
    let image = context.server.shard.image();
    let by_id = context.version() >= FIRST_BY_ID;
    let wanted = group.topics.as_ref().map(|topics| {
        let wanted = topics.iter().map(|topic| {
            let known = by_id.then(|| image.topic_by_id(topic_id(topic.topic_id))).flatten();
            WantedOffsets {
                name: known.map_or_else(|| topic.name.clone(), |known| known.name.to_string().into()),
                id: topic.topic_id,
                partitions: topic.partition_indexes.clone(),
                fault: (by_id && known.is_none()).then_some(ErrorCode::UnknownTopicId),
            }
        });
        wanted.collect::<Vec<_>>()
    });
    let is_for_all = wanted.is_none();
    let mut response =
        OffsetFetchResponseGroup { group_id: group.group_id.clone(), ..OffsetFetchResponseGroup::default() };
    match fetch(context, Asker::of(group), wanted).await {
        Ok(mut found) => {
            if by_id && is_for_all {
                found = with_ids(&image, found);
            }
            response.topics = found.into_iter().map(of_group_topic).collect();
        }
        Err(error) => response.error_code = errors::of_group(error).code(),
    }
    response
}

/// The approximate size in the response.
fn size_of_topic(topic: &OffsetFetchResponseTopics<'_>) -> usize {
    let texts: usize =
        topic.partitions.iter().map(|it| it.metadata.as_ref().map_or(0, |text| text.len())).sum();
    topic.name.len() + topic.partitions.len() * size_of::<OffsetFetchResponsePartitions<'_>>() + texts
}

/// Deleted topics have no id. Kafka leaves them out.
fn with_ids<'a>(image: &MetadataImage, found: Vec<Found<'a>>) -> Vec<Found<'a>> {
    let known = found.into_iter().filter_map(|found| {
        let id = uuid(image.topic(&found.name)?.id);
        Some(Found { id, ..found })
    });
    known.collect()
}

/// Returns every requested partition in the order of the request, or all that have an offset.
async fn fetch<'a>(
    context: &RequestContext,
    asker: Asker<'_>,
    wanted: Option<Vec<WantedOffsets<'a>>>,
) -> Result<Vec<Found<'a>>, GroupError> {
    let selection = match &wanted {
        None => OffsetSelection::All,
        Some(topics) => {
            let known = topics.iter().filter(|topic| topic.fault.is_none());
            let partitions = known.flat_map(|topic| {
                let name = TopicName::new(&topic.name);
                topic.partitions.iter().map(move |index| (name.clone(), PartitionIndex(*index)))
            });
            OffsetSelection::Of(partitions.collect())
        }
    };
    let (group, epoch) = (asker.group.into(), asker.epoch);
    let member = asker.member.map(MemberId::from);
    let selected =
        context.server.shard.fetch_offsets(FetchOffsets { group, member, epoch, selection }).await?;
    Ok(match wanted {
        None => selected.into_iter().map(all_of_topic).collect(),
        Some(wanted) => {
            let committed = by_place(&selected);
            wanted.into_iter().map(|wanted| found(wanted, &committed)).collect()
        }
    })
}

type ByPlace<'a> = FxHashMap<(&'a str, i32), &'a CommittedOffset>;

fn by_place(selected: &SelectedOffsets) -> ByPlace<'_> {
    let offsets = selected.iter().flat_map(|(topic, offsets)| {
        offsets.iter().map(move |(index, offset)| ((topic.as_str(), index.0), offset))
    });
    offsets.collect()
}

fn found<'a>(wanted: WantedOffsets<'a>, committed: &ByPlace<'_>) -> Found<'a> {
    let of = |index: i32| match wanted.fault {
        Some(code) => (index, Err(code)),
        None => (index, Ok(committed.get(&(&*wanted.name, index)).map(|&offset| offset.clone()))),
    };
    let partitions = wanted.partitions.iter().map(|index| of(*index)).collect();
    Found { partitions, name: wanted.name, id: wanted.id }
}

fn all_of_topic<'a>((topic, offsets): (TopicName, Vec<(PartitionIndex, CommittedOffset)>)) -> Found<'a> {
    Found {
        name: topic.as_str().to_owned().into(),
        id: Uuid::ZERO,
        partitions: offsets.into_iter().map(|(index, offset)| (index.0, Ok(Some(offset)))).collect(),
    }
}

/// Returns offset, epoch, metadata and error code of one partition.
fn parts(
    offset: Result<Option<CommittedOffset>, ErrorCode>,
) -> (i64, i32, Option<Cow<'static, str>>, ErrorCode) {
    match offset {
        Ok(Some(offset)) => {
            let metadata = offset.metadata.map_or_else(String::new, |text| text.to_string());
            (offset.offset.0, offset.leader_epoch.0, Some(metadata.into()), ErrorCode::None)
        }
        Ok(None) => (NO_OFFSET, NO_EPOCH, Some("".into()), ErrorCode::None),
        Err(code) => (NO_OFFSET, NO_EPOCH, Some("".into()), code),
    }
}

fn of_topic(found: Found<'_>) -> OffsetFetchResponseTopic<'_> {
    let partitions = found.partitions.into_iter().map(|(partition_index, offset)| {
        let (committed_offset, committed_leader_epoch, metadata, code) = parts(offset);
        OffsetFetchResponsePartition {
            partition_index,
            committed_offset,
            committed_leader_epoch,
            metadata,
            error_code: code.code(),
        }
    });
    OffsetFetchResponseTopic { name: found.name, partitions: partitions.collect() }
}

fn of_group_topic(found: Found<'_>) -> OffsetFetchResponseTopics<'_> {
    let partitions = found.partitions.into_iter().map(|(partition_index, offset)| {
        let (committed_offset, committed_leader_epoch, metadata, code) = parts(offset);
        OffsetFetchResponsePartitions {
            partition_index,
            committed_offset,
            committed_leader_epoch,
            metadata,
            error_code: code.code(),
        }
    });
    OffsetFetchResponseTopics { name: found.name, topic_id: found.id, partitions: partitions.collect() }
}
