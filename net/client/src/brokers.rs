//! The brokers of a cluster: which there are, whether they answer, and what their directories hold.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use millrace_wire::ApiKey;
use millrace_wire::messages::describe_cluster_request::DescribeClusterRequest;
use millrace_wire::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use millrace_wire::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use millrace_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::metadata::{self, Node, Wanted, known};
use crate::place::Place;
use crate::refusal::Refusal;

const DESCRIBE_CLUSTER: RangeInclusive<i16> = 0..=2;
/// The first version that also tells of fenced brokers.
const FIRST_WITH_FENCED: i16 = 2;
const DESCRIBE_LOG_DIRS: RangeInclusive<i16> = 1..=5;
/// Addresses of brokers, not of controllers.
const BROKERS: i8 = 1;

/// A cluster by its id and brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    /// Nothing where the broker is too old to say.
    pub id: Option<String>,
    /// With KRaft any of the brokers.
    pub controller: Option<i32>,
    pub nodes: Vec<Node>,
}

/// One directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirectory {
    pub path: String,
    /// Why it cannot be used.
    pub refusal: Option<Refusal>,
    /// Of its file system; nothing where the broker is too old to say.
    pub total_bytes: Option<i64>,
    pub usable_bytes: Option<i64>,
    pub logs: Vec<StoredLog>,
}

/// A partition's log in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLog {
    pub place: Place,
    pub bytes: i64,
    /// Offsets by which it is behind, where it follows.
    pub lag: i64,
    /// It is on its way to this directory from another one.
    pub is_moving_here: bool,
}

impl Cluster {
    pub fn view(&mut self) -> Result<ClusterView, ClientError> {
        if self.any().serves(ApiKey::DescribeCluster) {
            return self.describe_cluster();
        }
        let seen = metadata::ask(self.any(), &Wanted::These(&BTreeSet::new()))?;
        Ok(ClusterView { id: seen.cluster_id, controller: seen.controller, nodes: seen.nodes })
    }

    fn describe_cluster(&mut self) -> Result<ClusterView, ClientError> {
        let request = |version| DescribeClusterRequest {
            endpoint_type: BROKERS,
            include_fenced_brokers: version >= FIRST_WITH_FENCED,
            ..DescribeClusterRequest::default()
        };
        let (code, view) = self.any().call(
            ApiKey::DescribeCluster,
            DESCRIBE_CLUSTER,
            |writer, version| request(version).encode(writer, version),
            |reader, version| {
                let response = DescribeClusterResponse::decode(reader, version)?;
                let mut nodes: Vec<Node> = response.brokers.iter().map(node).collect();
                nodes.sort_by_key(|node| node.id);
                let id = Some(response.cluster_id.to_string());
                Ok((
                    response.error_code,
                    ClusterView { id, controller: known(response.controller_id), nodes },
                ))
            },
        )?;
        ClientError::check("DescribeCluster", code).map(|()| view)
    }

    /// Whether the broker answers.
    pub fn greet(&mut self, broker: i32) -> Result<(), ClientError> {
        self.broker(broker)?.greet()
    }

    /// What the directories of a broker hold.
    pub fn log_directories(&mut self, broker: i32) -> Result<Vec<LogDirectory>, ClientError> {
        let request = DescribeLogDirsRequest { topics: None };
        let (code, directories) = self.broker(broker)?.call(
            ApiKey::DescribeLogDirs,
            DESCRIBE_LOG_DIRS,
            |writer, version| request.encode(writer, version),
            |reader, version| {
                let response = DescribeLogDirsResponse::decode(reader, version)?;
                Ok((response.error_code, response.results.iter().map(directory).collect()))
            },
        )?;
        ClientError::check("DescribeLogDirs", code).map(|()| directories)
    }
}

fn node(broker: &DescribeClusterBroker<'_>) -> Node {
    Node {
        id: broker.broker_id,
        host: broker.host.to_string(),
        port: broker.port,
        rack: broker.rack.as_deref().map(str::to_owned),
        is_fenced: broker.is_fenced,
    }
}

fn directory(result: &DescribeLogDirsResult<'_>) -> LogDirectory {
    let bytes = |bytes: i64| (bytes >= 0).then_some(bytes);
    let mut logs: Vec<StoredLog> = result.topics.iter().flat_map(stored).collect();
    logs.sort_by(|left, right| left.place.cmp(&right.place));
    LogDirectory {
        path: result.log_dir.to_string(),
        refusal: Refusal::check(result.error_code, None).err(),
        total_bytes: bytes(result.total_bytes),
        usable_bytes: bytes(result.usable_bytes),
        logs,
    }
}

fn stored(topic: &DescribeLogDirsTopic<'_>) -> Vec<StoredLog> {
    let log = topic.partitions.iter().map(|partition| StoredLog {
        place: Place::new(topic.name.as_ref(), partition.partition_index),
        bytes: partition.partition_size,
        lag: partition.offset_lag,
        is_moving_here: partition.is_future_key,
    });
    log.collect()
}
