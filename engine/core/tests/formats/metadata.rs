//! The metadata log: the head of an entry and the fields of each kind of record.

use std::fmt::Write as _;

use millrace_core::base::config::SecurityProtocol;
use millrace_core::base::{BrokerId, LeaderEpoch, PartitionIndex, ProducerId, TopicId};
use millrace_core::meta::{
    ConfigResource, Endpoint, EntityKind, MetadataEntry, MetadataRecord, QuotaEntity, QuotaKey, QuotaName,
    QuotaValue,
};

use super::field::{Field, bytes_of, check, check_text, hold, little, table};

const TOPIC: TopicId = TopicId(*b"sixteen bytes id");
const RECORD_HEAD: usize = 8;

fn encoded(record: &MetadataRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

#[test]
fn the_head_of_an_entry() {
    let records = vec![MetadataRecord::Topic { id: TOPIC, name: "t".to_owned() }; 3];
    let body: Vec<u8> = records.iter().flat_map(encoded).collect();
    let mut bytes = Vec::new();
    MetadataEntry { epoch: 4, index: 6, hard_index: 5, records }.encode(&mut bytes);
    let inner = [
        little!(i32, "epoch", 4, "of the writer"),
        little!(u64, "index", 6, "one more than that of the entry before; the first is 1"),
        little!(u64, "hard index", 5, "entries up to it were on the device before this one was written"),
        little!(u32, "records", 3, "number of records"),
        Field::open("records", "body", body.clone(), "the records, one after another"),
    ];
    let mut fields = vec![
        Field::fixed("bytes", "magic", *b"MRM1", "`MRM1`"),
        little!(u32, "length", body.len() as u32, "of the body"),
        little!(u32, "checksum", crc32c::crc32c(&bytes_of(&inner)), "CRC-32C of everything that follows"),
    ];
    fields.extend(inner);
    check("metadata entry", 0, &fields, &bytes);
}

#[test]
fn the_head_of_a_record() {
    let record = MetadataRecord::Topic { id: TOPIC, name: "t".to_owned() };
    let bytes = encoded(&record);
    let length = bytes.len() - RECORD_HEAD;
    let fields = [
        little!(u16, "kind", 3, "which record it is"),
        little!(u16, "version", 0, "0, so far the only one of each kind"),
        little!(u32, "length", length as u32, "of the fields that follow"),
    ];
    check("metadata record", 0, &fields, &bytes[..RECORD_HEAD]);
}

fn setting(resource: ConfigResource) -> MetadataRecord {
    MetadataRecord::Config { resource, key: "key".to_owned(), value: Some("value".to_owned()) }
}

fn key_and_value() -> [Field; 2] {
    [
        Field::text("key", "key", "name of the setting"),
        Field::optional_text("value", "value", "its value; none: the setting is removed"),
    ]
}

/// Kind 6, with the resource's fields in front.
fn setting_fields(resource: Vec<Field>) -> Vec<Field> {
    resource.into_iter().chain(key_and_value()).collect()
}

struct Kind {
    title: &'static str,
    record: MetadataRecord,
    fields: Vec<Field>,
}

fn of_cluster() -> Vec<Kind> {
    let endpoint = Endpoint {
        name: "PLAINTEXT".to_owned(),
        host: "host".to_owned(),
        port: 9092,
        protocol: SecurityProtocol::SaslSsl,
    };
    vec![
        Kind {
            title: "Kind 1, cluster (the first record of a cluster)",
            record: MetadataRecord::Cluster { cluster_id: "c".to_owned() },
            fields: vec![Field::text("cluster id", "c", "22 characters of base64")],
        },
        Kind {
            title: "Kind 2, broker (where a broker is reached; it replaces an earlier registration)",
            record: MetadataRecord::Broker {
                id: BrokerId(7),
                rack: Some("rack".to_owned()),
                endpoints: vec![endpoint],
            },
            fields: vec![
                little!(i32, "broker id", 7, "`node.id`"),
                Field::optional_text("rack", "rack", "`broker.rack`"),
                little!(u32, "endpoints", 1, "number of endpoints; the next four fields repeat"),
                Field::text("name", "PLAINTEXT", "of the listener"),
                Field::text("host", "host", "that clients are told"),
                little!(u16, "port", 9092, "that clients are told"),
                little!(i16, "protocol", 3, "0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL"),
            ],
        },
        Kind {
            title: "Kind 7, producer ids (ids that were handed out)",
            record: MetadataRecord::ProducerIds { next: ProducerId(1000) },
            fields: vec![little!(
                i64,
                "next",
                1000,
                "every producer id below it was handed out to some broker"
            )],
        },
        Kind {
            title: "Kind 9, features (the finalized levels from here on)",
            record: MetadataRecord::Features { epoch: 3, levels: vec![("group.version".to_owned(), 2)] },
            fields: vec![
                little!(i64, "epoch", 3, "number of changes so far"),
                little!(u32, "levels", 1, "number of levels; the next two fields repeat"),
                Field::text("name", "group.version", "of the feature; one that is not named is not used"),
                little!(i16, "level", 2, "finalized level"),
            ],
        },
    ]
}

fn of_topics() -> Vec<Kind> {
    vec![
        Kind {
            title: "Kind 3, topic (a new topic, without partitions yet)",
            record: MetadataRecord::Topic { id: TOPIC, name: "topic".to_owned() },
            fields: vec![
                Field::fixed("bytes", "topic id", TOPIC.0, "id of the topic"),
                Field::text("name", "topic", "of the topic"),
            ],
        },
        Kind {
            title: "Kind 4, partition (a partition, new or changed)",
            record: MetadataRecord::Partition {
                topic: TOPIC,
                index: PartitionIndex(12),
                replicas: vec![BrokerId(21), BrokerId(22)],
                isr: vec![BrokerId(23)],
                leader: BrokerId(24),
                leader_epoch: LeaderEpoch(25),
            },
            fields: vec![
                Field::fixed("bytes", "topic id", TOPIC.0, "id of the topic"),
                little!(i32, "partition", 12, "index; new ones follow one another without gaps"),
                little!(u32, "replicas", 2, "number of replicas"),
                Field::open("i32 each", "replica", [[21, 0, 0, 0], [22, 0, 0, 0]].concat(), "ids of brokers"),
                little!(u32, "in-sync replicas", 1, "number of them"),
                Field::open("i32 each", "in-sync replica", [23, 0, 0, 0], "ids of brokers"),
                little!(i32, "leader", 24, "id of the broker that leads"),
                little!(i32, "leader epoch", 25, "epoch of that leader"),
            ],
        },
        Kind {
            title: "Kind 5, removed topic (the topic, its partitions and its settings are gone)",
            record: MetadataRecord::RemoveTopic { id: TOPIC },
            fields: vec![Field::fixed("bytes", "topic id", TOPIC.0, "id of the topic")],
        },
    ]
}

fn of_settings() -> Vec<Kind> {
    vec![
        Kind {
            title: "Kind 6, setting of a topic",
            record: setting(ConfigResource::Topic("topic".to_owned())),
            fields: setting_fields(vec![
                little!(u8, "resource", 0, "0: a topic"),
                Field::text("name", "topic", "of the topic"),
            ]),
        },
        Kind {
            title: "Kind 6, setting of one broker",
            record: setting(ConfigResource::Broker(BrokerId(7))),
            fields: setting_fields(vec![
                little!(u8, "resource", 1, "1: a broker"),
                little!(i32, "broker id", 7, "`node.id`"),
            ]),
        },
        Kind {
            title: "Kind 6, setting of all brokers",
            record: setting(ConfigResource::BrokerDefault),
            fields: setting_fields(vec![little!(u8, "resource", 2, "2: all brokers")]),
        },
        Kind {
            title: "Kind 8, setting of a group",
            record: setting(ConfigResource::Group("group".to_owned())),
            fields: setting_fields(vec![Field::text("group", "group", "id of the group")]),
        },
        Kind {
            title: "Kind 11, setting of a subscription to client metrics",
            record: setting(ConfigResource::ClientMetrics("subscription".to_owned())),
            fields: setting_fields(vec![Field::text("name", "subscription", "of the subscription")]),
        },
    ]
}

fn of_quotas() -> Vec<Kind> {
    let entity = QuotaEntity::default()
        .with(EntityKind::ClientId, QuotaName::Named("client".to_owned()))
        .with(EntityKind::User, QuotaName::Default);
    let name = little_text("client");
    vec![Kind {
        title: "Kind 10, client quota",
        record: MetadataRecord::ClientQuota {
            entity,
            key: QuotaKey::ProducerByteRate,
            value: Some(QuotaValue::new(1.5)),
        },
        fields: vec![
            Field::open(
                "u8, text",
                "client id",
                [vec![2], name].concat(),
                "0: no such part; 1: every client without a quota of its own; 2: the name that follows",
            ),
            Field::open("u8, text", "user", [1], "the same"),
            Field::open("u8, text", "address", [0], "the same"),
            Field::text("key", "producer_byte_rate", "what is limited"),
            little!(u8, "flag", 1, "0: the quota is removed, and nothing follows; 1: its value follows"),
            Field::fixed("f64", "value", 1.5f64.to_le_bytes(), "IEEE 754"),
        ],
    }]
}

fn little_text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

#[test]
fn the_kinds_of_records() {
    let mut kinds: Vec<Kind> =
        [of_cluster(), of_topics(), of_settings(), of_quotas()].into_iter().flatten().collect();
    kinds.sort_by_key(|kind| encoded(&kind.record)[0]);
    let mut text = String::new();
    let mut numbers = Vec::new();
    for Kind { title, record, fields } in kinds {
        let bytes = encoded(&record);
        let number = title.strip_prefix("Kind ").and_then(|rest| rest.split(',').next()).unwrap();
        assert_eq!(bytes[0].to_string(), number, "{title}");
        numbers.push(bytes[0]);
        hold(title, &fields, &bytes[RECORD_HEAD..]);
        let _ = writeln!(text, "{title}:\n\n{}", table(RECORD_HEAD, &fields));
    }
    numbers.dedup();
    assert_eq!(numbers, (1..=11).collect::<Vec<u8>>(), "every kind has its table");
    check_text("metadata kinds", &text);
}
