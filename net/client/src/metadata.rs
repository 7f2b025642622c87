//! What a broker says of the cluster: its brokers, and topics with their partitions.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use millrace_wire::ApiKey;
use millrace_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use millrace_wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

use crate::error::ClientError;
use crate::refusal::Refusal;
use crate::transport::Peer;

/// From the version on that need not create what it asks for, to the last that says errors of topics alone.
const METADATA: RangeInclusive<i16> = 4..=12;

/// A broker as clients reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
    /// Alive and not serving (KIP-1073); where the broker is too old to say, it is not.
    pub is_fenced: bool,
}

impl Node {
    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// A topic with its partitions, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    /// Zeros where the broker is too old to say.
    pub id: [u8; 16],
    pub is_internal: bool,
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// Of a partition, at most.
    pub fn replicas(&self) -> usize {
        self.partitions.iter().map(|partition| partition.replicas.len()).max().unwrap_or(0)
    }
}

/// Where a partition lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub index: i32,
    /// Nothing while nobody leads it.
    pub leader: Option<i32>,
    /// Nothing where the broker is too old to say.
    pub leader_epoch: Option<i32>,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
    pub offline: Vec<i32>,
}

/// What one answer holds.
pub(crate) struct Seen {
    pub(crate) nodes: Vec<Node>,
    pub(crate) cluster_id: Option<String>,
    pub(crate) controller: Option<i32>,
    pub(crate) topics: Vec<SeenTopic>,
}

/// A topic's name, and what is to be said of it.
pub(crate) type SeenTopic = (String, Result<Topic, Refusal>);

/// Which topics are asked for.
pub(crate) enum Wanted<'a> {
    All,
    These(&'a BTreeSet<String>),
}

pub(crate) fn ask(peer: &mut Peer, wanted: &Wanted<'_>) -> Result<Seen, ClientError> {
    let topic = |name: &'_ String| MetadataRequestTopic {
        name: Some(Cow::Owned(name.clone())),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequest {
        topics: match wanted {
            Wanted::All => None,
            Wanted::These(names) => Some(names.iter().map(topic).collect()),
        },
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    peer.call(
        ApiKey::Metadata,
        METADATA,
        |writer, version| request.encode(writer, version),
        |reader, version| Ok(seen(&MetadataResponse::decode(reader, version)?)),
    )
}

fn seen(response: &MetadataResponse<'_>) -> Seen {
    let node = |broker: &MetadataResponseBroker<'_>| Node {
        id: broker.node_id,
        host: broker.host.to_string(),
        port: broker.port,
        rack: broker.rack.as_deref().map(str::to_owned),
        is_fenced: false,
    };
    Seen {
        nodes: response.brokers.iter().map(node).collect(),
        cluster_id: response.cluster_id.as_deref().map(str::to_owned),
        controller: known(response.controller_id),
        topics: response.topics.iter().map(topic).collect(),
    }
}

fn topic(topic: &MetadataResponseTopic<'_>) -> SeenTopic {
    let name = topic.name.as_deref().unwrap_or_default().to_owned();
    let mut partitions: Vec<Partition> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    let seen = Refusal::check(topic.error_code, None).map(|()| Topic {
        name: name.clone(),
        id: topic.topic_id.0,
        is_internal: topic.is_internal,
        partitions,
    });
    (name, seen)
}

fn partition(partition: &MetadataResponsePartition) -> Partition {
    Partition {
        index: partition.partition_index,
        leader: known(partition.leader_id),
        leader_epoch: known(partition.leader_epoch),
        replicas: partition.replica_nodes.clone(),
        in_sync: partition.isr_nodes.clone(),
        offline: partition.offline_replicas.clone(),
    }
}

/// Ids and epochs that are not there are negative.
pub(crate) fn known(number: i32) -> Option<i32> {
    (number >= 0).then_some(number)
}
