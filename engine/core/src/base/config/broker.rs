//! `BrokerConfig`: the static configuration of this broker, read and checked,
//! with a typed accessor for each key that acts.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::definition::Definition;
use super::listeners::{Listener, split_address};
use super::registry::broker_keys;
use super::value::{ConfigMap, Value, parse_size};
use crate::base::ids::{BrokerId, Durability};

/// What is checked of the records that producers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProduceValidation {
    /// Records are decompressed and walked, as Kafka does.
    Full,
    /// Batch headers and checksums only: the producer is trusted.
    Header,
}

/// What a start does without rings that should be in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostRings {
    Refuse,
    /// What only they had is gone.
    Accept,
}

/// The form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The static configuration: what was given, over Kafka's defaults. It is checked when it is loaded, so that
/// accessors cannot fail. Never changes while the broker runs; it is shared by all shards.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// As given, with Kafka's own completions (`broker.id` from `node.id`).
    pub(super) given: ConfigMap,
    /// Given or default value of each key that has one.
    pub(super) values: FxHashMap<&'static str, Value>,
    pub(super) listeners: Vec<Listener>,
    pub(super) controller_listeners: Vec<Listener>,
    pub(super) advertised_listeners: Vec<Listener>,
    pub(super) advertised_controller_listeners: Vec<Listener>,
}

impl BrokerConfig {
    /// What was given for `key`, as text.
    pub fn given(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(String::as_str)
    }

    /// The value of any key of the registry; `None` is Kafka's null.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    // ---- identity and addresses ----

    pub fn node_id(&self) -> BrokerId {
        BrokerId(self.int("node.id"))
    }

    pub fn rack(&self) -> Option<&str> {
        self.text("broker.rack")
    }

    /// Where clients are served. Never empty.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Where this broker is served as a controller, which it is of itself; may be empty.
    pub fn controller_listeners(&self) -> &[Listener] {
        &self.controller_listeners
    }

    /// What is told of each of `controller_listeners`, in the same order.
    pub fn advertised_controller_listeners(&self) -> &[Listener] {
        &self.advertised_controller_listeners
    }

    /// What clients are told, for each of `listeners` in the same order;
    /// see [`Listener::host`] and `port` for what is empty or 0.
    pub fn advertised_listeners(&self) -> &[Listener] {
        &self.advertised_listeners
    }

    /// The first of [`data_dirs`](Self::data_dirs), which is the one in use.
    pub fn data_dir(&self) -> &str {
        self.data_dirs().first().map_or(".", String::as_str)
    }

    /// `log.dirs`, or else `log.dir`.
    pub(super) fn data_dirs(&self) -> &[String] {
        let of = |key| match self.value(key) {
            Some(Value::List(items)) if !items.is_empty() => Some(items.as_slice()),
            _ => None,
        };
        of("log.dirs").or_else(|| of("log.dir")).unwrap_or_default()
    }

    // ---- topics ----

    pub fn num_partitions(&self) -> i32 {
        self.int("num.partitions")
    }

    pub fn default_replication_factor(&self) -> i32 {
        self.int("default.replication.factor")
    }

    pub fn auto_create_topics(&self) -> bool {
        self.boolean("auto.create.topics.enable")
    }

    pub fn delete_topics(&self) -> bool {
        self.boolean("delete.topic.enable")
    }

    // ---- requests and connections ----

    /// Longest request frame, without its length field.
    pub fn socket_request_max_bytes(&self) -> i32 {
        self.int("socket.request.max.bytes")
    }

    /// Most partitions that one answer about topics describes; at least 1.
    pub fn max_request_partition_size_limit(&self) -> i32 {
        self.int("max.request.partition.size.limit")
    }

    pub fn fetch_max_bytes(&self) -> i32 {
        self.int("fetch.max.bytes")
    }

    pub fn connections_max_idle(&self) -> Duration {
        millis(self.long("connections.max.idle.ms"))
    }

    pub fn max_connections(&self) -> i32 {
        self.int("max.connections")
    }

    pub fn max_incremental_fetch_session_cache_slots(&self) -> i32 {
        self.int("max.incremental.fetch.session.cache.slots")
    }

    /// Most bytes of metrics in one push of a client.
    pub fn telemetry_max_bytes(&self) -> i32 {
        self.int("telemetry.max.bytes")
    }

    // ---- quotas ----

    /// Length of the windows that client quotas are counted in.
    pub fn quota_window(&self) -> Duration {
        seconds(self.int("quota.window.size.seconds"))
    }

    /// How many there are, with the current one.
    pub fn quota_windows(&self) -> u32 {
        u32::try_from(self.int("quota.window.num")).unwrap_or(1)
    }

    /// The same for the rate at which clients create and delete partitions.
    pub fn controller_quota_window(&self) -> Duration {
        seconds(self.int("controller.quota.window.size.seconds"))
    }

    pub fn controller_quota_windows(&self) -> u32 {
        u32::try_from(self.int("controller.quota.window.num")).unwrap_or(1)
    }

    // ---- producers ----

    pub fn producer_id_expiration(&self) -> Duration {
        millis(i64::from(self.int("producer.id.expiration.ms")))
    }

    /// Pause between searches for producers that have expired.
    pub fn producer_id_expiration_check_interval(&self) -> Duration {
        millis(i64::from(self.int("producer.id.expiration.check.interval.ms")))
    }

    pub fn produce_validation(&self) -> ProduceValidation {
        match self.text("millrace.produce.validation") {
            Some("header") => ProduceValidation::Header,
            _ => ProduceValidation::Full,
        }
    }

    // ---- groups ----

    pub fn group_min_session_timeout_ms(&self) -> i32 {
        self.int("group.min.session.timeout.ms")
    }

    pub fn group_max_session_timeout_ms(&self) -> i32 {
        self.int("group.max.session.timeout.ms")
    }

    pub fn group_initial_rebalance_delay_ms(&self) -> i32 {
        self.int("group.initial.rebalance.delay.ms")
    }

    /// Most members of a classic group.
    pub fn group_max_size(&self) -> i32 {
        self.int("group.max.size")
    }

    /// Most members of a group of the consumer protocol.
    pub fn group_consumer_max_size(&self) -> i32 {
        self.int("group.consumer.max.size")
    }

    /// Assignors of groups of the consumer protocol, the default first.
    pub fn group_consumer_assignors(&self) -> Vec<String> {
        self.list("group.consumer.assignors")
    }

    /// Which groups with members may change their protocol: disabled, upgrade, downgrade or bidirectional,
    /// in any case.
    pub fn group_consumer_migration_policy(&self) -> &str {
        self.text("group.consumer.migration.policy").unwrap_or_default()
    }

    /// Pause between evaluations of subscribed patterns while the topics stay the same.
    pub fn group_consumer_regex_refresh_interval_ms(&self) -> i32 {
        self.int("group.consumer.regex.refresh.interval.ms")
    }

    /// Longest text beside a committed offset.
    pub fn offset_metadata_max(&self) -> i32 {
        self.int("offset.metadata.max.bytes")
    }

    pub fn offsets_retention_minutes(&self) -> i32 {
        self.int("offsets.retention.minutes")
    }

    /// Pause between searches for expired offsets.
    pub fn offsets_retention_check_interval_ms(&self) -> i64 {
        self.long("offsets.retention.check.interval.ms")
    }

    // ---- the offsets topic, made when the first group asks for its coordinator ----

    pub fn offsets_topic_partitions(&self) -> i32 {
        self.int("offsets.topic.num.partitions")
    }

    pub fn offsets_topic_replication_factor(&self) -> i16 {
        match self.value("offsets.topic.replication.factor") {
            Some(Value::Short(value)) => *value,
            other => wrong_type("offsets.topic.replication.factor", "a short", other),
        }
    }

    pub fn offsets_topic_segment_bytes(&self) -> i32 {
        self.int("offsets.topic.segment.bytes")
    }

    // ---- storage ----

    pub fn durability(&self) -> Durability {
        match self.text("millrace.durability") {
            Some("process") => Durability::Process,
            _ => Durability::Power,
        }
    }

    /// What a start does whose rings are gone from memory that was not cleared.
    pub fn lost_rings(&self) -> LostRings {
        match self.text("millrace.lost.rings") {
            Some("accept") => LostRings::Accept,
            _ => LostRings::Refuse,
        }
    }

    /// Bound of all memory of the process; `None`: a share of the machine's.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.text("millrace.memory").and_then(parse_size)
    }

    /// `None`: by the number of processors.
    pub fn shards(&self) -> Option<u16> {
        self.value("millrace.shards").and_then(Value::whole).and_then(|shards| u16::try_from(shards).ok())
    }

    /// Pause between searches for segments to delete.
    pub fn retention_check_interval(&self) -> Duration {
        millis(self.long("log.retention.check.interval.ms"))
    }

    /// Pause between the start and the first such search.
    pub fn initial_task_delay(&self) -> Duration {
        millis(self.long("log.initial.task.delay.ms"))
    }

    /// Whether logs are compacted at all.
    pub fn cleaner_enabled(&self) -> bool {
        self.boolean("log.cleaner.enable")
    }

    /// Size of each shard's journal.
    pub fn journal_bytes(&self) -> u64 {
        self.text("millrace.journal.bytes")
            .and_then(parse_size)
            .unwrap_or(JOURNAL_BYTES_MIN)
            .max(JOURNAL_BYTES_MIN)
    }

    /// `None`: the data directory.
    pub fn journal_dir(&self) -> Option<&str> {
        self.text("millrace.journal.dir")
    }

    /// Free space below which records are refused; 0: what the broker needs itself.
    pub fn reserve_bytes(&self) -> u64 {
        self.text("millrace.reserve.bytes").and_then(parse_size).unwrap_or(0)
    }

    pub fn shm_dir(&self) -> &str {
        self.text("millrace.shm.dir").unwrap_or("/dev/shm")
    }

    /// Segment files to be kept open by all shards; `None`: by the limit of descriptors.
    pub fn open_files(&self) -> Option<u64> {
        self.value("millrace.open.files").and_then(Value::whole).and_then(|files| u64::try_from(files).ok())
    }

    // ---- what the operator sees ----

    /// Host and port of metrics and health; `None`: they are not served.
    pub fn admin_listener(&self) -> Option<(&str, u16)> {
        self.text("millrace.admin.listener").and_then(split_address)
    }

    pub fn log_format(&self) -> LogFormat {
        match self.text("millrace.log.format") {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        }
    }

    /// A filter of the log's lines.
    pub fn log_level(&self) -> &str {
        self.text("millrace.log.level").unwrap_or("info")
    }

    // ---- by type; a key without a value, or of another type, is a fault of the program ----

    pub(super) fn int(&self, key: &str) -> i32 {
        match self.value(key) {
            Some(Value::Int(value)) => *value,
            other => wrong_type(key, "an int", other),
        }
    }

    pub(super) fn long(&self, key: &str) -> i64 {
        match self.value(key) {
            Some(Value::Long(value)) => *value,
            other => wrong_type(key, "a long", other),
        }
    }

    pub(super) fn boolean(&self, key: &str) -> bool {
        match self.value(key) {
            Some(Value::Boolean(value)) => *value,
            other => wrong_type(key, "a boolean", other),
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(value)) => Some(value),
            None => None,
            other => wrong_type(key, "a string", other),
        }
    }

    /// Empty where the key has no value.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(values)) => values.clone(),
            None => Vec::new(),
            other => wrong_type(key, "a list", other),
        }
    }

    /// Every default of the registry.
    pub(super) fn default_values() -> FxHashMap<&'static str, Value> {
        let with_value = |key: &'static Definition| key.default.clone().map(|value| (key.name, value));
        broker_keys().iter().filter_map(with_value).collect()
    }
}

/// Smallest journal that can be cleaned while it is appended to.
pub const JOURNAL_BYTES_MIN: u64 = 4 << 20;

fn wrong_type(key: &str, wanted: &str, found: Option<&Value>) -> ! {
    panic!("{key} is not {wanted}: {found:?}")
}

/// Of a key that is at least 1.
fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(1))
}

/// Negative times mean never.
fn millis(ms: i64) -> Duration {
    u64::try_from(ms).map_or(Duration::MAX, Duration::from_millis)
}
