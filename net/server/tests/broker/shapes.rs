//! Long requests of every API that takes a list: what each is made of, and how long it is at first.

use std::borrow::Cow;

use bytes::Bytes;
use millrace_core::base::TimestampMs;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_wire::messages::alter_client_quotas_request::{
    AlterClientQuotasRequest, EntityData, EntryData, OpData,
};
use millrace_wire::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use millrace_wire::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use millrace_wire::messages::delete_topics_request::DeleteTopicsRequest;
use millrace_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_wire::messages::describe_log_dirs_request::{DescribableLogDirTopic, DescribeLogDirsRequest};
use millrace_wire::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use millrace_wire::messages::describe_topic_partitions_request::{
    DescribeTopicPartitionsRequest, TopicRequest as DescribedTopic,
};
use millrace_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use millrace_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use millrace_wire::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use millrace_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use millrace_wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use millrace_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_wire::{ApiKey, EncodeError, Writer};

use crate::group_shapes::{
    beat, commit, delete_groups, delete_offsets, describe_consumers, describe_groups, fetch_offsets,
    fetch_offsets_of_groups, find_coordinators, join, leave, sync,
};

/// Partitions of the one topic that there is.
pub(crate) const PARTITIONS: i32 = 4_000;
pub(crate) const TOPIC: &str = "t";

pub(crate) type Encode = Box<dyn Fn(&mut Writer, i16) -> Result<(), EncodeError>>;

/// A kind of request with some number of elements. `number` differs each time, so that names are new.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) size: usize,
    /// More are refused, whatever the length.
    pub(crate) most: Option<usize>,
    pub(crate) make: fn(size: usize, number: usize) -> Encode,
}

/// A message that encodes itself.
macro_rules! encode {
    ($message:expr) => {{
        let message = $message;
        Box::new(move |writer: &mut Writer, version| message.encode(writer, version)) as Encode
    }};
}
pub(crate) use encode;

pub(crate) fn text(prefix: &str, number: usize, place: usize) -> Cow<'static, str> {
    Cow::Owned(format!("{prefix}{number}.{place:06}"))
}

pub(crate) fn texts(prefix: &str, number: usize, size: usize) -> Vec<Cow<'static, str>> {
    (0..size).map(|place| text(prefix, number, place)).collect()
}

/// In falling order, and from the first again where there are more than the topic has:
/// what is kept in order is met at its worst.
pub(crate) fn partitions(size: usize) -> impl Iterator<Item = i32> {
    (0..size as i32).rev().map(|index| index % PARTITIONS)
}

pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "partitions of one topic",
        api: ApiKey::Fetch,
        version: 12,
        size: 2_000,
        most: None,
        make: fetch,
    },
    Shape {
        name: "the same partition",
        api: ApiKey::Fetch,
        version: 12,
        size: 3_000,
        most: None,
        make: fetch_same,
    },
    Shape { name: "partitions", api: ApiKey::Produce, version: 9, size: 1_000, most: None, make: produce },
    Shape {
        name: "partitions",
        api: ApiKey::ListOffsets,
        version: 6,
        size: 1_000,
        most: None,
        make: list_offsets,
    },
    Shape {
        name: "topics that are not there",
        api: ApiKey::Metadata,
        version: 9,
        size: 2_000,
        most: None,
        make: metadata,
    },
    Shape {
        name: "partitions",
        api: ApiKey::OffsetCommit,
        version: 8,
        size: 1_000,
        most: None,
        make: commit,
    },
    Shape {
        name: "partitions",
        api: ApiKey::OffsetFetch,
        version: 8,
        size: 2_000,
        most: None,
        make: fetch_offsets,
    },
    Shape {
        name: "groups",
        api: ApiKey::OffsetFetch,
        version: 8,
        size: 1_000,
        most: None,
        make: fetch_offsets_of_groups,
    },
    Shape {
        name: "partitions",
        api: ApiKey::OffsetDelete,
        version: 0,
        size: 2_000,
        most: None,
        make: delete_offsets,
    },
    Shape {
        name: "groups",
        api: ApiKey::FindCoordinator,
        version: 4,
        size: 2_000,
        most: None,
        make: find_coordinators,
    },
    Shape {
        name: "protocols",
        api: ApiKey::JoinGroup,
        version: 3,
        size: 2_000,
        most: Some(10_000),
        make: join,
    },
    Shape { name: "members", api: ApiKey::SyncGroup, version: 4, size: 2_000, most: None, make: sync },
    Shape { name: "members", api: ApiKey::LeaveGroup, version: 4, size: 2_000, most: None, make: leave },
    Shape {
        name: "groups",
        api: ApiKey::DescribeGroups,
        version: 5,
        size: 2_000,
        most: None,
        make: describe_groups,
    },
    Shape {
        name: "groups",
        api: ApiKey::ConsumerGroupDescribe,
        version: 0,
        size: 2_000,
        most: None,
        make: describe_consumers,
    },
    Shape {
        name: "groups",
        api: ApiKey::DeleteGroups,
        version: 2,
        size: 2_000,
        most: None,
        make: delete_groups,
    },
    Shape {
        name: "topics",
        api: ApiKey::ConsumerGroupHeartbeat,
        version: 0,
        size: 2_000,
        most: None,
        make: beat,
    },
    Shape {
        name: "topics of names that may collide",
        api: ApiKey::CreateTopics,
        version: 7,
        size: 500,
        most: Some(10_000),
        make: create_topics,
    },
    Shape {
        name: "settings",
        api: ApiKey::CreateTopics,
        version: 7,
        size: 2_000,
        most: None,
        make: create_with_settings,
    },
    Shape {
        name: "topics",
        api: ApiKey::DeleteTopics,
        version: 5,
        size: 2_000,
        most: None,
        make: delete_topics,
    },
    Shape {
        name: "partitions",
        api: ApiKey::DeleteRecords,
        version: 2,
        size: 1_000,
        most: None,
        make: delete_records,
    },
    Shape {
        name: "partitions",
        api: ApiKey::OffsetForLeaderEpoch,
        version: 4,
        size: 1_000,
        most: None,
        make: leader_epochs,
    },
    Shape {
        name: "resources",
        api: ApiKey::DescribeConfigs,
        version: 4,
        size: 100,
        most: None,
        make: describe_configs,
    },
    Shape {
        name: "keys of a resource",
        api: ApiKey::DescribeConfigs,
        version: 4,
        size: 4_000,
        most: None,
        make: describe_keys,
    },
    Shape {
        name: "items of a list",
        api: ApiKey::IncrementalAlterConfigs,
        version: 1,
        size: 600,
        most: Some(2_300),
        make: append_items,
    },
    Shape {
        name: "resources",
        api: ApiKey::IncrementalAlterConfigs,
        version: 1,
        size: 500,
        most: None,
        make: alter_resources,
    },
    Shape {
        name: "entities",
        api: ApiKey::AlterClientQuotas,
        version: 1,
        size: 500,
        most: None,
        make: alter_quotas,
    },
    Shape {
        name: "partitions",
        api: ApiKey::DescribeLogDirs,
        version: 4,
        size: 1_000,
        most: None,
        make: describe_log_dirs,
    },
    Shape {
        name: "partitions",
        api: ApiKey::DescribeProducers,
        version: 0,
        size: 1_000,
        most: None,
        make: describe_producers,
    },
    Shape {
        name: "topics",
        api: ApiKey::DescribeTopicPartitions,
        version: 0,
        size: 1_000,
        most: None,
        make: describe_topics,
    },
];

fn fetch(size: usize, _: usize) -> Encode {
    fetch_of(partitions(size))
}

fn fetch_same(size: usize, _: usize) -> Encode {
    fetch_of((0..size).map(|_| 0))
}

/// Waits for a millisecond, so that it is listed in every partition.
fn fetch_of(partitions: impl Iterator<Item = i32>) -> Encode {
    let wanted =
        |partition| FetchPartition { partition, partition_max_bytes: 1, ..FetchPartition::default() };
    let topic = FetchTopic {
        topic: TOPIC.into(),
        partitions: partitions.map(wanted).collect(),
        ..FetchTopic::default()
    };
    encode!(FetchRequest {
        max_wait_ms: 1,
        min_bytes: 1_000_000,
        max_bytes: 1_000_000,
        topics: vec![topic.clone()],
        ..FetchRequest::default()
    })
}

/// A batch of one record for each.
fn produce(size: usize, _: usize) -> Encode {
    let value = BatchRecord::of_value(TimestampMs(0), b"value");
    let batch = Bytes::from(BatchBuilder::new(Codec::None).record(value).build());
    let data = move |index| PartitionProduceData { index, records: Some(batch.clone().into()) };
    let topic = TopicProduceData {
        name: TOPIC.into(),
        partition_data: partitions(size).map(data).collect(),
        ..TopicProduceData::default()
    };
    encode!(ProduceRequest {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![topic.clone()],
        ..ProduceRequest::default()
    })
}

fn list_offsets(size: usize, _: usize) -> Encode {
    encode!(ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: TOPIC.into(),
            partitions: partitions(size)
                .map(|partition_index| ListOffsetsPartition {
                    partition_index,
                    timestamp: -1,
                    ..ListOffsetsPartition::default()
                })
                .collect(),
        }],
        ..ListOffsetsRequest::default()
    })
}

fn metadata(size: usize, number: usize) -> Encode {
    encode!(MetadataRequest {
        topics: Some(
            texts("m", number, size)
                .into_iter()
                .map(|name| MetadataRequestTopic { name: Some(name), ..MetadataRequestTopic::default() })
                .collect()
        ),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    })
}

fn create_topics(size: usize, number: usize) -> Encode {
    create_of(
        texts("x", number, size)
            .into_iter()
            .map(|name| CreatableTopic {
                name,
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            })
            .collect(),
    )
}

/// They are not known, so that the topic is refused.
fn create_with_settings(size: usize, number: usize) -> Encode {
    create_of(vec![CreatableTopic {
        name: "settings".into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: texts("s", number, size)
            .into_iter()
            .map(|name| CreatableTopicConfig { name, value: Some("1".into()) })
            .collect(),
        ..CreatableTopic::default()
    }])
}

fn create_of(topics: Vec<CreatableTopic<'static>>) -> Encode {
    encode!(CreateTopicsRequest { topics: topics.clone(), timeout_ms: 10_000, validate_only: true })
}

fn delete_topics(size: usize, number: usize) -> Encode {
    encode!(DeleteTopicsRequest {
        topic_names: texts("x", number, size),
        timeout_ms: 10_000,
        ..DeleteTopicsRequest::default()
    })
}

fn delete_records(size: usize, _: usize) -> Encode {
    encode!(DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: TOPIC.into(),
            partitions: partitions(size)
                .map(|partition_index| DeleteRecordsPartition { partition_index, offset: 0 })
                .collect(),
        }],
        timeout_ms: 1_000,
    })
}

fn leader_epochs(size: usize, _: usize) -> Encode {
    encode!(OffsetForLeaderEpochRequest {
        replica_id: -2,
        topics: vec![OffsetForLeaderTopic {
            topic: TOPIC.into(),
            partitions: partitions(size)
                .map(|partition| OffsetForLeaderPartition {
                    partition,
                    ..OffsetForLeaderPartition::default()
                })
                .collect(),
        }],
    })
}

const OF_TOPIC: i8 = 2;
const OF_GROUP: i8 = 32;

fn describe_configs(size: usize, _: usize) -> Encode {
    encode!(DescribeConfigsRequest {
        resources: vec![
            DescribeConfigsResource {
                resource_type: OF_TOPIC,
                resource_name: TOPIC.into(),
                configuration_keys: None,
            };
            size
        ],
        ..DescribeConfigsRequest::default()
    })
}

fn describe_keys(size: usize, number: usize) -> Encode {
    encode!(DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: OF_TOPIC,
            resource_name: TOPIC.into(),
            configuration_keys: Some(texts("k", number, size)),
        }],
        ..DescribeConfigsRequest::default()
    })
}

fn alter_of(resources: Vec<AlterConfigsResource<'static>>) -> Encode {
    encode!(IncrementalAlterConfigsRequest { resources: resources.clone(), validate_only: true })
}

fn append_items(size: usize, number: usize) -> Encode {
    const APPEND: i8 = 2;
    let value = texts("i", number, size).join(",");
    alter_of(vec![AlterConfigsResource {
        resource_type: OF_TOPIC,
        resource_name: TOPIC.into(),
        configs: vec![AlterableConfig {
            name: "leader.replication.throttled.replicas".into(),
            config_operation: APPEND,
            value: Some(value.into()),
        }],
    }])
}

fn alter_resources(size: usize, number: usize) -> Encode {
    let resource = |name| AlterConfigsResource {
        resource_type: OF_GROUP,
        resource_name: name,
        configs: vec![AlterableConfig {
            name: "consumer.heartbeat.interval.ms".into(),
            config_operation: 0,
            value: Some("6000".into()),
        }],
    };
    alter_of(texts("r", number, size).into_iter().map(resource).collect())
}

fn alter_quotas(size: usize, number: usize) -> Encode {
    let entry = |name: Cow<'static, str>| EntryData {
        entity: vec![EntityData { entity_type: "client-id".into(), entity_name: Some(name) }],
        ops: vec![OpData { key: "producer_byte_rate".into(), value: 1000.0, remove: false }],
    };
    let entries: Vec<EntryData<'static>> = texts("q", number, size).into_iter().map(entry).collect();
    encode!(AlterClientQuotasRequest { entries: entries.clone(), validate_only: true })
}

fn describe_log_dirs(size: usize, _: usize) -> Encode {
    encode!(DescribeLogDirsRequest {
        topics: Some(vec![DescribableLogDirTopic {
            topic: TOPIC.into(),
            partitions: partitions(size).collect(),
        }]),
    })
}

fn describe_producers(size: usize, _: usize) -> Encode {
    encode!(DescribeProducersRequest {
        topics: vec![TopicRequest { name: TOPIC.into(), partition_indexes: partitions(size).collect() }],
    })
}

fn describe_topics(size: usize, number: usize) -> Encode {
    encode!(DescribeTopicPartitionsRequest {
        topics: texts("x", number, size).into_iter().map(|name| DescribedTopic { name }).collect(),
        response_partition_limit: 2_000,
        ..DescribeTopicPartitionsRequest::default()
    })
}
