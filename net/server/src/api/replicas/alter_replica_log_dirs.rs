//! AlterReplicaLogDirs 1-2: moves partitions between data directories, but there is only one.

use std::collections::BTreeMap;

use millrace_core::base::PartitionIndex;
use millrace_wire::messages::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use millrace_wire::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsResponse,
};
use millrace_wire::{ErrorCode, Reader};

use crate::api::request::context::{Outcome, RequestContext, RequestFault};

pub(crate) async fn handle(context: RequestContext) -> Result<Outcome, RequestFault> {
    let request = AlterReplicaLogDirsRequest::decode(&mut Reader::new(&context.body), context.version())?;
    let image = context.server.shard.image();
    let own = context.server.broker.log_dir();
    let is_cordoned = image.config_layers(context.server.broker.config()).is_cordoned();
    // If a partition stands twice, the last directory counts, as in Kafka.
    let mut wanted: BTreeMap<&str, BTreeMap<i32, &str>> = BTreeMap::new();
    for dir in &request.dirs {
        for topic in dir.topics.iter().filter(|topic| !topic.partitions.is_empty()) {
            let partitions = wanted.entry(&topic.name).or_default();
            partitions.extend(topic.partitions.iter().map(|index| (*index, dir.path.as_ref())));
        }
    }
    let results = wanted.into_iter().map(|(name, partitions)| {
        let topic = image.topic(name);
        let result = |(index, path): (i32, &str)| {
            let known = topic.is_some_and(|topic| topic.partition(PartitionIndex(index)).is_some());
            let code = match known {
                _ if is_too_long(name, index) => ErrorCode::InvalidTopicException,
                _ if path != own => ErrorCode::LogDirNotFound,
                // Nothing moves there, not even what is there.
                _ if is_cordoned => ErrorCode::InvalidReplicaAssignment,
                // It is there already.
                true => ErrorCode::None,
                false => ErrorCode::UnknownTopicOrPartition,
            };
            AlterReplicaLogDirPartitionResult { partition_index: index, error_code: code.code() }
        };
        let partitions = partitions.into_iter().map(result).collect();
        AlterReplicaLogDirTopicResult { topic_name: name.into(), partitions }
    });
    let response =
        AlterReplicaLogDirsResponse { results: results.collect(), ..AlterReplicaLogDirsResponse::default() };
    context.respond(|writer, version| response.encode(writer, version))
}

/// Kafka moves a partition through a directory that is named after it, a number of 32 digits and `-future`.
/// It refuses if that name is too long for a file system.
fn is_too_long(topic: &str, partition: i32) -> bool {
    const FILE_NAME_BYTES_MAX: usize = 255;
    const SUFFIX: usize = ".".len() + 32 + "-future".len();
    topic.len() + "-".len() + partition.to_string().len() + SUFFIX > FILE_NAME_BYTES_MAX
}
