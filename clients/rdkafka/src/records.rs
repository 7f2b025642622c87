//! The commands beside groups: topics, produce, and consume by assignment.

use crate::outcome::Outcome;
use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
const RECORD_BYTES_MAX: &str = "2000000";

pub(crate) fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("message.max.bytes", RECORD_BYTES_MAX);
    config
}

pub(crate) fn create(bootstrap: &str, topic: &str, partitions: i32) -> Outcome<Vec<String>> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let answers =
        block_on(admin.create_topics([&topic], &AdminOptions::new().request_timeout(Some(WAIT_MAX))))?;
    first_refusal(answers)
}

pub(crate) fn grow(bootstrap: &str, topic: &str, partitions: usize) -> Outcome<Vec<String>> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let more = NewPartitions::new(topic, partitions);
    let answers =
        block_on(admin.create_partitions([&more], &AdminOptions::new().request_timeout(Some(WAIT_MAX))))?;
    first_refusal(answers)
}

fn first_refusal(answers: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Outcome<Vec<String>> {
    for answer in answers {
        answer.map_err(|(name, code)| format!("{name}: {code}"))?;
    }
    Ok(Vec::new())
}

/// The answer to each record, by its place in the command.
struct Deliveries {
    answers: Mutex<Vec<Option<String>>>,
}

impl rdkafka::ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let answer = match result {
            Ok(message) => format!("{}\t{}", message.partition(), message.offset()),
            Err((error, _)) => match error.rdkafka_error_code() {
                Some(code) => format!("error\t{code:?}"),
                None => format!("error\t{error}"),
            },
        };
        if let Ok(mut answers) = self.answers.lock() {
            answers[place] = Some(answer);
        }
    }
}

pub(crate) fn produce(
    bootstrap: &str,
    topic: &str,
    codec: &str,
    idempotent: &str,
    headers: &str,
    records: &[String],
) -> Outcome<Vec<String>> {
    let pairs = headers.split(',').filter_map(|header| header.split_once('='));
    let headers =
        pairs.fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
    let mut config = config(bootstrap);
    // Several batches in each partition, and no way for a retry to change the order.
    config
        .set("compression.codec", codec)
        .set("enable.idempotence", idempotent)
        .set("max.in.flight", if idempotent == "true" { "5" } else { "1" })
        .set("batch.num.messages", "1000");
    let deliveries = Deliveries { answers: Mutex::new(vec![None; records.len()]) };
    let producer: BaseProducer<Deliveries> = config.create_with_context(deliveries)?;
    for (place, record) in records.iter().enumerate() {
        let (key, value) = record.split_once('\t').ok_or("a record without a key")?;
        let record =
            BaseRecord::with_opaque_to(topic, place).key(key).payload(value).headers(headers.clone());
        producer.send(record).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(WAIT_MAX)?;
    let answers = producer.context().answers.lock().map_err(|_| "a delivery failed")?;
    answers.iter().map(|answer| answer.clone().ok_or_else(|| "a record without an answer".into())).collect()
}

pub(crate) fn consume(bootstrap: &str, topic: &str, count: usize, starts: &[&str]) -> Outcome<Vec<String>> {
    let mut config = config(bootstrap);
    config
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .set("auto.offset.reset", "error")
        .set("fetch.message.max.bytes", RECORD_BYTES_MAX);
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(&places(topic, starts)?)?;
    let (mut found, deadline) = (Vec::new(), Instant::now() + WAIT_MAX);
    while found.len() < count {
        if Instant::now() > deadline {
            return Err(format!("{} of {count} records after {WAIT_MAX:?}", found.len()).into());
        }
        if let Some(message) = consumer.poll(POLL) {
            found.push(line(&message?));
        }
    }
    Ok(found)
}

fn line(message: &BorrowedMessage<'_>) -> String {
    let headers = message.headers().map(|headers| {
        let named = headers.iter().map(|header| format!("{}={}", header.key, text(header.value)));
        named.collect::<Vec<_>>().join(",")
    });
    let (partition, offset) = (message.partition(), message.offset());
    format!(
        "{partition}\t{offset}\t{}\t{}\t{}",
        text(message.key()),
        headers.unwrap_or_default(),
        text(message.payload())
    )
}

pub(crate) fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// Words `PARTITION`, `PARTITION:OFFSET` or `PARTITION:OFFSET:METADATA`; for the offset also `stored`.
pub(crate) fn places(topic: &str, words: &[&str]) -> Outcome<TopicPartitionList> {
    let mut places = TopicPartitionList::new();
    for word in words {
        let mut parts = word.splitn(3, ':');
        let partition = parts.next().unwrap_or_default().parse()?;
        let offset = match parts.next() {
            None | Some("stored") => Offset::Stored,
            Some(offset) => Offset::Offset(offset.parse()?),
        };
        places.add_partition_offset(topic, partition, offset)?;
        if let (Some(note), Some(mut place)) = (parts.next(), places.find_partition(topic, partition)) {
            place.set_metadata(note);
        }
    }
    Ok(places)
}
