//! Metadata records: every change of cluster state, and their binary form.
//!
//! A record is `kind u16, version u16, length u32`, then `length` bytes of fields. Numbers are little-endian;
//! a text is `length u32` and UTF-8; an optional text is a byte 0 or 1 before it; a list is `count u32` and
//! its items; ids are as in `base::ids`. Versions only ever add kinds or fields with a new version number; a
//! kind or version that is not known was written by a newer release and is refused.

use super::fields::{Reader, Writer};
use super::quota::{QuotaEntity, QuotaKey, QuotaName, QuotaValue};
use crate::base::Corrupt;
use crate::base::config::SecurityProtocol;
use crate::base::ids::{BrokerId, LeaderEpoch, PartitionIndex, ProducerId, TopicId};

/// Where a broker is reached under one listener's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub protocol: SecurityProtocol,
}

/// Whose setting a config record changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// By name; goes away with the topic.
    Topic(String),
    Broker(BrokerId),
    /// All brokers.
    BrokerDefault,
    /// By name; a group need not be there.
    Group(String),
    /// A subscription to metrics of clients, by name.
    ClientMetrics(String),
}

/// One change of cluster state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataRecord {
    /// The first record of a cluster.
    Cluster { cluster_id: String },
    /// A broker and where it is reached; replaces an earlier registration of the id.
    Broker { id: BrokerId, rack: Option<String>, endpoints: Vec<Endpoint> },
    /// A topic, without partitions yet.
    Topic { id: TopicId, name: String },
    /// A partition, new or changed. New ones follow one another without gaps.
    Partition {
        topic: TopicId,
        index: PartitionIndex,
        replicas: Vec<BrokerId>,
        isr: Vec<BrokerId>,
        leader: BrokerId,
        leader_epoch: LeaderEpoch,
    },
    /// A topic, its partitions and its settings go.
    RemoveTopic { id: TopicId },
    /// A dynamic setting; `None` removes it.
    Config { resource: ConfigResource, key: String, value: Option<String> },
    /// The levels of features from here on, by name; a feature that is not named is not used.
    /// `epoch` counts changes.
    Features { epoch: i64, levels: Vec<(String, i16)> },
    /// Every producer id below `next` was handed out to some broker.
    ProducerIds { next: ProducerId },
    /// A quota of an entity; `None` removes it.
    ClientQuota { entity: QuotaEntity, key: QuotaKey, value: Option<QuotaValue> },
}

/// The newest form of each kind, and so far the only one.
const VERSION: u16 = 0;
/// A broker id in a list.
const BROKER_ID_BYTES: usize = 4;
/// Two texts, a port and a protocol.
const ENDPOINT_BYTES_MIN: usize = 4 + 4 + 2 + 2;
/// A text and a level.
const FEATURE_BYTES_MIN: usize = 4 + 2;

impl MetadataRecord {
    fn kind(&self) -> u16 {
        match self {
            MetadataRecord::Cluster { .. } => 1,
            MetadataRecord::Broker { .. } => 2,
            MetadataRecord::Topic { .. } => 3,
            MetadataRecord::Partition { .. } => 4,
            MetadataRecord::RemoveTopic { .. } => 5,
            MetadataRecord::Config { resource: ConfigResource::Group(_), .. } => 8,
            MetadataRecord::Config { resource: ConfigResource::ClientMetrics(_), .. } => 11,
            MetadataRecord::Config { .. } => 6,
            MetadataRecord::ProducerIds { .. } => 7,
            MetadataRecord::Features { .. } => 9,
            MetadataRecord::ClientQuota { .. } => 10,
        }
    }

    /// Appends the record's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.kind().to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        let mut body = Vec::new();
        self.encode_fields(&mut Writer(&mut body));
        let mut writer = Writer(out);
        writer.length(body.len());
        writer.bytes(&body);
    }

    fn encode_fields(&self, out: &mut Writer<'_>) {
        match self {
            MetadataRecord::Cluster { cluster_id } => out.text(cluster_id),
            MetadataRecord::Broker { id, rack, endpoints } => {
                out.bytes(&id.0.to_le_bytes());
                out.optional_text(rack.as_deref());
                out.length(endpoints.len());
                for endpoint in endpoints {
                    out.text(&endpoint.name);
                    out.text(&endpoint.host);
                    out.bytes(&endpoint.port.to_le_bytes());
                    out.bytes(&endpoint.protocol.code().to_le_bytes());
                }
            }
            MetadataRecord::Topic { id, name } => {
                out.bytes(&id.0);
                out.text(name);
            }
            MetadataRecord::Partition { topic, index, replicas, isr, leader, leader_epoch } => {
                out.bytes(&topic.0);
                out.bytes(&index.0.to_le_bytes());
                for brokers in [replicas, isr] {
                    out.length(brokers.len());
                    brokers.iter().for_each(|broker| out.bytes(&broker.0.to_le_bytes()));
                }
                out.bytes(&leader.0.to_le_bytes());
                out.bytes(&leader_epoch.0.to_le_bytes());
            }
            MetadataRecord::RemoveTopic { id } => out.bytes(&id.0),
            MetadataRecord::Config { resource, key, value } => {
                match resource {
                    ConfigResource::Topic(name) => {
                        out.bytes(&[0]);
                        out.text(name);
                    }
                    ConfigResource::Broker(id) => {
                        out.bytes(&[1]);
                        out.bytes(&id.0.to_le_bytes());
                    }
                    ConfigResource::BrokerDefault => out.bytes(&[2]),
                    ConfigResource::Group(name) | ConfigResource::ClientMetrics(name) => out.text(name),
                }
                out.text(key);
                out.optional_text(value.as_deref());
            }
            MetadataRecord::ProducerIds { next } => out.bytes(&next.0.to_le_bytes()),
            MetadataRecord::ClientQuota { entity, key, value } => {
                for kind in QuotaEntity::KINDS {
                    encode_name(out, entity.part(kind));
                }
                out.text(key.name());
                out.bytes(&[u8::from(value.is_some())]);
                if let Some(value) = value {
                    out.bytes(&value.get().to_bits().to_le_bytes());
                }
            }
            MetadataRecord::Features { epoch, levels } => {
                out.bytes(&epoch.to_le_bytes());
                out.length(levels.len());
                for (name, level) in levels {
                    out.text(name);
                    out.bytes(&level.to_le_bytes());
                }
            }
        }
    }

    /// Reads one record and what follows it stays in `input`.
    pub(super) fn decode(input: &mut Reader<'_>) -> Result<MetadataRecord, Corrupt> {
        let kind = input.u16()?;
        if input.u16()? != VERSION {
            return Err(input.corrupt("a record has a version of a newer release"));
        }
        let length = input.u32()? as usize;
        let at = input.at();
        let mut fields = Reader::new(input.slice(length)?, at);
        let record = match kind {
            1 => MetadataRecord::Cluster { cluster_id: fields.text()? },
            2 => decode_broker(&mut fields)?,
            3 => MetadataRecord::Topic { id: TopicId(fields.array()?), name: fields.text()? },
            4 => MetadataRecord::Partition {
                topic: TopicId(fields.array()?),
                index: PartitionIndex(fields.i32()?),
                replicas: decode_brokers(&mut fields)?,
                isr: decode_brokers(&mut fields)?,
                leader: BrokerId(fields.i32()?),
                leader_epoch: LeaderEpoch(fields.i32()?),
            },
            5 => MetadataRecord::RemoveTopic { id: TopicId(fields.array()?) },
            6 => MetadataRecord::Config {
                resource: decode_resource(&mut fields)?,
                key: fields.text()?,
                value: fields.optional_text()?,
            },
            7 => MetadataRecord::ProducerIds { next: ProducerId(fields.i64()?) },
            8 => decode_setting(&mut fields, ConfigResource::Group)?,
            9 => decode_features(&mut fields)?,
            10 => decode_quota(&mut fields)?,
            11 => decode_setting(&mut fields, ConfigResource::ClientMetrics)?,
            _ => return Err(fields.corrupt("a record is of a kind of a newer release")),
        };
        match fields.is_empty() {
            true => Ok(record),
            false => Err(fields.corrupt("a record is longer than its fields")),
        }
    }
}

fn decode_broker(fields: &mut Reader<'_>) -> Result<MetadataRecord, Corrupt> {
    let id = BrokerId(fields.i32()?);
    let rack = fields.optional_text()?;
    let count = fields.count(ENDPOINT_BYTES_MIN)?;
    let mut endpoints = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, host, port) = (fields.text()?, fields.text()?, fields.u16()?);
        let protocol = SecurityProtocol::from_code(fields.i16()?)
            .ok_or_else(|| fields.corrupt("an endpoint has an unknown protocol"))?;
        endpoints.push(Endpoint { name, host, port, protocol });
    }
    Ok(MetadataRecord::Broker { id, rack, endpoints })
}

fn decode_brokers(fields: &mut Reader<'_>) -> Result<Vec<BrokerId>, Corrupt> {
    let count = fields.count(BROKER_ID_BYTES)?;
    (0..count).map(|_| fields.i32().map(BrokerId)).collect()
}

fn decode_features(fields: &mut Reader<'_>) -> Result<MetadataRecord, Corrupt> {
    let epoch = fields.i64()?;
    let count = fields.count(FEATURE_BYTES_MIN)?;
    let levels: Result<_, Corrupt> = (0..count).map(|_| Ok((fields.text()?, fields.i16()?))).collect();
    Ok(MetadataRecord::Features { epoch, levels: levels? })
}

/// A setting of what has a name, and a kind of record of its own.
fn decode_setting(
    fields: &mut Reader<'_>,
    of: fn(String) -> ConfigResource,
) -> Result<MetadataRecord, Corrupt> {
    Ok(MetadataRecord::Config {
        resource: of(fields.text()?),
        key: fields.text()?,
        value: fields.optional_text()?,
    })
}

fn decode_resource(fields: &mut Reader<'_>) -> Result<ConfigResource, Corrupt> {
    match fields.array::<1>()? {
        [0] => fields.text().map(ConfigResource::Topic),
        [1] => fields.i32().map(|id| ConfigResource::Broker(BrokerId(id))),
        [2] => Ok(ConfigResource::BrokerDefault),
        _ => Err(fields.corrupt("a setting belongs to an unknown kind of resource")),
    }
}

/// A byte 0 for no such part of an entity, 1 for everybody, 2 before a name.
fn encode_name(out: &mut Writer<'_>, name: Option<&QuotaName>) {
    match name {
        None => out.bytes(&[0]),
        Some(QuotaName::Default) => out.bytes(&[1]),
        Some(QuotaName::Named(name)) => {
            out.bytes(&[2]);
            out.text(name);
        }
    }
}

fn decode_quota(fields: &mut Reader<'_>) -> Result<MetadataRecord, Corrupt> {
    let mut entity = QuotaEntity::default();
    for kind in QuotaEntity::KINDS {
        match fields.array::<1>()? {
            [0] => {}
            [1] => entity = entity.with(kind, QuotaName::Default),
            [2] => entity = entity.with(kind, QuotaName::Named(fields.text()?)),
            _ => return Err(fields.corrupt("a quota is for an unknown kind of name")),
        }
    }
    let key = QuotaKey::from_name(&fields.text()?)
        .ok_or_else(|| fields.corrupt("a quota has a key of a newer release"))?;
    let value = match fields.array::<1>()? {
        [0] => None,
        [1] => Some(QuotaValue::new(f64::from_bits(fields.u64()?))),
        _ => return Err(fields.corrupt("a flag is neither 0 nor 1")),
    };
    Ok(MetadataRecord::ClientQuota { entity, key, value })
}
