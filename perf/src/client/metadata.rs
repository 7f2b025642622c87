//! Which broker leads each partition of a topic.

use std::borrow::Cow;
use std::net::SocketAddr;

use millrace_client::{Connection, Frame, resolve};
use millrace_wire::ApiKey;
use millrace_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use millrace_wire::messages::metadata_response::{MetadataResponse, MetadataResponseBroker};

use crate::error::ClientError;

const UNKNOWN_TOPIC: i16 = 3;

/// What the broker says of a topic.
struct Seen {
    brokers: Vec<(i32, String, u16)>,
    error: i16,
    /// Of each partition, in their order.
    leaders: Vec<i32>,
}

/// Addresses of the leaders of all partitions, in the order of partitions; `None` if there is no such topic.
/// The only broker of a cluster is reached where it was reached already, by whatever name it knows itself.
pub(crate) fn leaders(
    connection: &mut Connection,
    address: SocketAddr,
    topic: &str,
) -> Result<Option<Vec<SocketAddr>>, ClientError> {
    let seen = ask(connection, topic)?;
    if seen.error == UNKNOWN_TOPIC {
        return Ok(None);
    }
    ClientError::check("Metadata", seen.error)?;
    let leader = |id: &i32| {
        let broker = seen.brokers.iter().find(|(broker, ..)| broker == id);
        match broker {
            None => Err(ClientError::Broker(format!("a partition of {topic} has no leader"))),
            Some(_) if seen.brokers.len() == 1 => Ok(address),
            Some((_, host, port)) => resolve(&format!("{host}:{port}")),
        }
    };
    seen.leaders.iter().map(leader).collect::<Result<_, _>>().map(Some)
}

fn ask(connection: &mut Connection, topic: &str) -> Result<Seen, ClientError> {
    let version = connection.dialect().metadata;
    let asked = MetadataRequestTopic { name: Some(Cow::Borrowed(topic)), ..MetadataRequestTopic::default() };
    let request = MetadataRequest {
        topics: Some(vec![asked]),
        // Older versions create whatever they are asked for: the field has to stay as it is there.
        allow_auto_topic_creation: version < 4,
        ..MetadataRequest::default()
    };
    let frame = Frame::new(ApiKey::Metadata, version, |writer| request.encode(writer, version))?;
    connection.call(&frame, |reader| {
        let response = MetadataResponse::decode(reader, version)?;
        let broker = |broker: &MetadataResponseBroker<'_>| {
            (broker.node_id, broker.host.to_string(), u16::try_from(broker.port).unwrap_or_default())
        };
        let topic = response.topics.first();
        let mut partitions: Vec<_> = topic.map(|topic| topic.partitions.iter().collect()).unwrap_or_default();
        partitions.sort_by_key(|partition| partition.partition_index);
        Ok(Seen {
            brokers: response.brokers.iter().map(broker).collect(),
            error: topic.map_or(UNKNOWN_TOPIC, |topic| topic.error_code),
            leaders: partitions.iter().map(|partition| partition.leader_id).collect(),
        })
    })
}
