//! DescribeLogDirs 1-5: the data directory, its file system, and the bytes of each log in it.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::base::{PartitionIndex, PartitionKey};
use millrace_core::meta::MetadataImage;
use millrace_rt::fs;
use millrace_wire::messages::describe_log_dirs_request::{DescribableLogDirTopic, DescribeLogDirsRequest};
use millrace_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};

/// The size of a file system that does not tell it.
const UNKNOWN_BYTES: i64 = -1;

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = DescribeLogDirsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let server = &context.server;
    let image = server.shard.image();
    let wanted: Vec<(&str, PartitionKey)> = match &request.topics {
        None => image.topics().flat_map(|topic| topic.keys().map(|key| (topic.name.as_ref(), key))).collect(),
        Some(topics) => named(&image, topics),
    };
    let keys: Vec<PartitionKey> = wanted.iter().map(|(_, key)| *key).collect();
    let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for ((name, key), size) in wanted.into_iter().zip(server.shard.log_sizes(&keys).await) {
        // The partition was deleted meanwhile.
        let Some(size) = size else { continue };
        topics.entry(name).or_default().push(DescribeLogDirsPartition {
            partition_index: key.partition.0,
            partition_size: in_bytes(size),
            offset_lag: 0,
            is_future_key: false,
        });
    }
    let space = fs::available_space(&server.broker.settings().data_dir).await.ok();
    let result = DescribeLogDirsResult {
        log_dir: server.broker.log_dir().into(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsTopic { name: name.into(), partitions })
            .collect(),
        total_bytes: space.map_or(UNKNOWN_BYTES, |space| in_bytes(space.total_bytes)),
        usable_bytes: space.map_or(UNKNOWN_BYTES, |space| in_bytes(space.bytes)),
        error_code: ErrorCode::None.code(),
        is_cordoned: image.config_layers(server.broker.config()).is_cordoned(),
    };
    let response = DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

/// Returns the partitions that exist, each once.
fn named<'a>(
    image: &'a MetadataImage,
    topics: &[DescribableLogDirTopic<'_>],
) -> Vec<(&'a str, PartitionKey)> {
    let mut keys = BTreeSet::new();
    for asked in topics {
        let Some(topic) = image.topic(&asked.topic) else { continue };
        let indexes = asked.partitions.iter().map(|index| PartitionIndex(*index));
        let known = indexes.filter(|index| topic.partition(*index).is_some());
        keys.extend(known.map(|index| (topic.name.as_ref(), PartitionKey::new(topic.id, index))));
    }
    keys.into_iter().collect()
}

/// Sizes that do not fit are larger than any disk.
fn in_bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
