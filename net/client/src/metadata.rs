//! What a broker says of the cluster: its brokers, and topics with the leaders of their partitions.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use millrace_wire::ApiKey;
use millrace_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use millrace_wire::messages::metadata_response::{MetadataResponse, MetadataResponseTopic};

use crate::failure::Failure;
use crate::peer::Peer;

/// From the version on that need not create what it asks for, to the last that names topics by name alone.
const METADATA: std::ops::RangeInclusive<i16> = 4..=9;

/// A topic's name, error code, and leaders of its partitions.
pub(crate) type SeenTopic = (String, i16, BTreeMap<i32, i32>);

/// Addresses of all brokers by id.
pub(crate) fn brokers(peer: &mut Peer) -> Result<BTreeMap<i32, String>, Failure> {
    ask(peer, &BTreeSet::new(), |response| {
        response.brokers.iter().map(|it| (it.node_id, format!("{}:{}", it.host, it.port))).collect()
    })
}

pub(crate) fn topics(peer: &mut Peer, names: &BTreeSet<String>) -> Result<Vec<SeenTopic>, Failure> {
    ask(peer, names, |response| response.topics.iter().map(seen).collect())
}

fn seen(topic: &MetadataResponseTopic<'_>) -> SeenTopic {
    let leaders = topic.partitions.iter().map(|partition| (partition.partition_index, partition.leader_id));
    (topic.name.as_deref().unwrap_or_default().to_owned(), topic.error_code, leaders.collect())
}

fn ask<T>(
    peer: &mut Peer,
    topics: &BTreeSet<String>,
    read: impl FnOnce(&MetadataResponse<'_>) -> T,
) -> Result<T, Failure> {
    let topic = |name: &'_ String| MetadataRequestTopic {
        name: Some(Cow::Owned(name.clone())),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequest {
        topics: Some(topics.iter().map(topic).collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    peer.call(
        ApiKey::Metadata,
        METADATA,
        |writer, version| request.encode(writer, version),
        |reader, version| MetadataResponse::decode(reader, version).map(|response| read(&response)),
    )
}
