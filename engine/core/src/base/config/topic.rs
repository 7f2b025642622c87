//! `TopicConfig`: what holds for one topic, resolved from its own settings, the dynamic and the static
//! configuration of brokers, and the defaults.

use super::definition::Definition;
use super::registry::{broker_keys, topic_keys};
use super::value::{ConfigError, Value};
use super::{BrokerConfig, ConfigMap};
use crate::base::ids::Durability;
use crate::base::timestamps::TimestampType;

/// The resolved configuration of a topic: plain values, cheap to copy and to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// As set; see [`TopicConfig::durability`] for what holds.
    pub durability_set: Durability,
    pub max_message_bytes: i32,
    pub segment_bytes: i32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: i32,
    pub index_interval_bytes: i32,
    /// Whether `cleanup.policy` names compact.
    pub compact: bool,
    /// Whether `cleanup.policy` names delete.
    pub delete: bool,
    /// -1: no limit.
    pub retention_ms: i64,
    /// -1: no limit.
    pub retention_bytes: i64,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub min_cleanable_dirty_ratio: f64,
    /// `producer`, `uncompressed` or a codec's name.
    pub compression_type: String,
    pub timestamp_type: TimestampType,
    /// How far a record's timestamp may lie behind the broker's clock.
    pub timestamp_before_max_ms: i64,
    /// How far it may lie ahead.
    pub timestamp_after_max_ms: i64,
    /// Replicas that must have a record before acks=all is answered; at most the replication factor counts.
    pub min_insync_replicas: i32,
    /// Records after which a flush is forced; `i64::MAX`: never.
    pub flush_messages: i64,
    /// Milliseconds after which a flush is forced; `i64::MAX`: never.
    pub flush_ms: i64,
    pub preallocate: bool,
    pub unclean_leader_election: bool,
}

impl TopicConfig {
    /// Resolves `overrides` over `dynamic` (dynamic broker settings, this broker's over those of all) over
    /// the static configuration. A stored value that does not read counts as not set:
    /// settings are checked when they are made.
    pub fn resolve(broker: &BrokerConfig, dynamic: &ConfigMap, overrides: &ConfigMap) -> TopicConfig {
        let layers = Layers { broker, dynamic, overrides };
        let policy = layers.list("cleanup.policy");
        TopicConfig {
            durability_set: match layers.text("millrace.durability").as_str() {
                "process" => Durability::Process,
                _ => Durability::Power,
            },
            max_message_bytes: layers.int("max.message.bytes"),
            segment_bytes: layers.int("segment.bytes"),
            segment_ms: layers.long("segment.ms"),
            segment_jitter_ms: layers.long("segment.jitter.ms"),
            segment_index_bytes: layers.int("segment.index.bytes"),
            index_interval_bytes: layers.int("index.interval.bytes"),
            compact: policy.iter().any(|name| name == "compact"),
            delete: policy.iter().any(|name| name == "delete"),
            retention_ms: layers.long("retention.ms"),
            retention_bytes: layers.long("retention.bytes"),
            delete_retention_ms: layers.long("delete.retention.ms"),
            file_delete_delay_ms: layers.long("file.delete.delay.ms"),
            min_compaction_lag_ms: layers.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: layers.long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: layers.double("min.cleanable.dirty.ratio"),
            compression_type: layers.text("compression.type"),
            timestamp_type: match layers.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: layers.long("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: layers.long("message.timestamp.after.max.ms"),
            min_insync_replicas: layers.int("min.insync.replicas"),
            flush_messages: layers.long("flush.messages"),
            flush_ms: layers.long("flush.ms"),
            preallocate: layers.boolean("preallocate"),
            unclean_leader_election: layers.boolean("unclean.leader.election.enable"),
        }
    }

    /// The configuration of a topic without overrides, on a broker without dynamic configuration.
    pub fn defaults(broker: &BrokerConfig) -> TopicConfig {
        TopicConfig::resolve(broker, &ConfigMap::new(), &ConfigMap::new())
    }

    /// What an acknowledgement waits for: Kafka's flush settings may only strengthen it, and any of them that
    /// asks for a flush after every record, or at once, makes it `power`.
    pub fn durability(&self) -> Durability {
        match self.flush_messages == 1 || self.flush_ms == 0 {
            true => Durability::Power,
            false => self.durability_set,
        }
    }

    /// What a segment may span: compaction takes no record before its segment ended.
    pub fn segment_ms_max(&self) -> i64 {
        match self.compact && self.max_compaction_lag_ms > 0 {
            true => self.segment_ms.min(self.max_compaction_lag_ms),
            false => self.segment_ms,
        }
    }

    /// Whose clock stamps the records.
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }
}

/// Checks the settings of a topic as Kafka's controller does, with its messages.
pub fn validate_topic(
    broker: &BrokerConfig,
    dynamic: &ConfigMap,
    overrides: &ConfigMap,
) -> Result<(), ConfigError> {
    for key in overrides.keys() {
        if topic_keys().get(key).is_none() {
            return Err(ConfigError::new(key, format!("Unknown topic config name: {key}")));
        }
    }
    for (key, text) in overrides {
        if let Some(definition) = topic_keys().get(key) {
            definition.parse(text)?;
        }
    }
    if (Layers { broker, dynamic, overrides }).boolean(REMOTE_STORAGE) {
        let message = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
                       remote log storage.";
        return Err(ConfigError::new(REMOTE_STORAGE, message));
    }
    let resolved = TopicConfig::resolve(broker, dynamic, overrides);
    if resolved.min_compaction_lag_ms > resolved.max_compaction_lag_ms {
        let message = format!(
            "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
            resolved.min_compaction_lag_ms, resolved.max_compaction_lag_ms
        );
        return Err(ConfigError::new("min.compaction.lag.ms", message));
    }
    Ok(())
}

const REMOTE_STORAGE: &str = "remote.storage.enable";

/// The broker keys that give a topic key its default, most significant first.
pub(super) fn broker_synonyms(definition: &Definition) -> Vec<&'static str> {
    let base = definition.synonyms.first();
    match base.and_then(|base| broker_keys().get(base)) {
        Some(key) if !key.synonyms.is_empty() => key.synonyms.clone(),
        _ => base.into_iter().copied().collect(),
    }
}

/// The value of `definition`, a key of topics, when the topic does not set it.
pub(super) fn inherited(
    broker: &BrokerConfig,
    dynamic: &ConfigMap,
    definition: &Definition,
) -> Option<Value> {
    let names = broker_synonyms(definition);
    let dynamic_value = |name: &str| broker_keys().get(name)?.parse(dynamic.get(name)?).ok();
    let value_of = |name: &&'static str| {
        dynamic_value(name).or_else(|| broker.value(name).cloned()).map(|value| (*name, value))
    };
    let (name, value) = names.iter().find_map(value_of)?;
    Some(in_unit_of_topic(name, value))
}

/// Broker keys in minutes or hours stand for topic keys in milliseconds.
pub(super) fn factor_to_topic_unit(broker_key: &str) -> i64 {
    match broker_key.rsplit('.').next() {
        Some("minutes") => 60_000,
        Some("hours") => 3_600_000,
        _ => 1,
    }
}

/// Keys of which every negative value means no limit.
const RETENTION_TIMES: [&str; 3] = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];

fn in_unit_of_topic(broker_key: &str, value: Value) -> Value {
    let factor = factor_to_topic_unit(broker_key);
    match value.whole() {
        Some(number) if number < 0 && RETENTION_TIMES.contains(&broker_key) => Value::Long(-1),
        Some(number) if factor > 1 => Value::Long(number.saturating_mul(factor)),
        _ => value,
    }
}

struct Layers<'a> {
    broker: &'a BrokerConfig,
    dynamic: &'a ConfigMap,
    overrides: &'a ConfigMap,
}

impl Layers<'_> {
    fn value(&self, key: &str) -> Value {
        let Some(definition) = topic_keys().get(key) else { panic!("{key} is no key of topics") };
        let set = self.overrides.get(key).and_then(|text| definition.parse(text).ok());
        let value = set.or_else(|| inherited(self.broker, self.dynamic, definition));
        match value.or_else(|| definition.default.clone()) {
            Some(value) => value,
            None => panic!("{key} has no default"),
        }
    }

    fn int(&self, key: &str) -> i32 {
        match self.value(key) {
            Value::Int(value) => value,
            other => panic!("{key} is not an int: {other:?}"),
        }
    }

    fn long(&self, key: &str) -> i64 {
        match self.value(key).whole() {
            Some(value) => value,
            None => panic!("{key} is not a whole number"),
        }
    }

    fn double(&self, key: &str) -> f64 {
        match self.value(key) {
            Value::Double(value) => value,
            other => panic!("{key} is not a double: {other:?}"),
        }
    }

    fn boolean(&self, key: &str) -> bool {
        match self.value(key) {
            Value::Boolean(value) => value,
            other => panic!("{key} is not a boolean: {other:?}"),
        }
    }

    fn text(&self, key: &str) -> String {
        match self.value(key) {
            Value::Text(value) => value,
            other => panic!("{key} is not a string: {other:?}"),
        }
    }

    fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Value::List(items) => items,
            other => panic!("{key} is not a list: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LoadedConfig, Properties, UnknownKeys};
    use super::*;

    fn map(text: &str) -> ConfigMap {
        let properties = Properties::parse(&text.replace(' ', "\n")).unwrap();
        properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn resolve(broker: &str, dynamic: &str, topic: &str) -> TopicConfig {
        let properties = map(broker).into_iter().collect::<Properties>();
        let loaded = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap();
        TopicConfig::resolve(&loaded.broker, &map(dynamic), &map(topic))
    }

    #[test]
    fn defaults_are_kafkas() {
        let config = resolve("", "", "");
        assert_eq!(config.max_message_bytes, 1_048_588);
        assert_eq!(config.segment_bytes, 1 << 30);
        assert_eq!((config.segment_ms, config.retention_ms), (604_800_000, 604_800_000));
        assert_eq!((config.flush_messages, config.flush_ms), (i64::MAX, i64::MAX));
        assert_eq!((config.compact, config.delete), (false, true));
        assert_eq!((config.timestamp_after_max_ms, config.timestamp_before_max_ms), (3_600_000, i64::MAX));
        assert_eq!(config.durability(), Durability::Power);
    }

    #[test]
    fn the_nearest_setting_wins() {
        let cases = [
            ("", "", "segment.ms=5", 5),
            ("log.roll.hours=2", "", "", 7_200_000),
            ("log.roll.hours=2 log.roll.ms=9", "", "", 9),
            ("log.roll.hours=2", "log.roll.ms=7", "", 7),
            ("log.roll.hours=2", "log.roll.ms=7", "segment.ms=5", 5),
            // A stored value that does not read counts as not set.
            ("log.roll.ms=9", "", "segment.ms=soon", 9),
        ];
        for (broker, dynamic, topic, segment_ms) in cases {
            assert_eq!(
                resolve(broker, dynamic, topic).segment_ms,
                segment_ms,
                "{broker}; {dynamic}; {topic}"
            );
        }
        let lag = "max.compaction.lag.ms=9";
        assert_eq!(resolve("", "", lag).segment_ms_max(), 604_800_000);
        assert_eq!(resolve("log.cleanup.policy=compact", "", lag).segment_ms_max(), 9);
        assert_eq!(resolve("log.retention.minutes=3", "", "").retention_ms, 180_000);
        assert_eq!(resolve("log.retention.hours=-1", "", "").retention_ms, -1);
        assert_eq!(resolve("log.retention.bytes=-1", "", "").retention_bytes, -1);
    }

    #[test]
    fn flush_settings_may_only_strengthen_durability() {
        let process = "millrace.durability=process";
        let cases = [
            (process, "", Durability::Process),
            (process, "millrace.durability=power", Durability::Power),
            (process, "flush.messages=1", Durability::Power),
            (process, "flush.messages=2", Durability::Process),
            (process, "flush.ms=0", Durability::Power),
            ("", "millrace.durability=process", Durability::Process),
            ("log.flush.interval.messages=1", "millrace.durability=process", Durability::Power),
        ];
        for (broker, topic, expected) in cases {
            assert_eq!(resolve(broker, "", topic).durability(), expected, "{broker}; {topic}");
        }
    }

    #[test]
    fn settings_are_refused_as_kafkas_controller_does() {
        let cases = [
            ("retention.ms=1 cleanup.policy=compact,delete", None),
            ("segment.bytes=1 no.such=1", Some("Unknown topic config name: no.such")),
            ("message.format.version=2.8", Some("Unknown topic config name: message.format.version")),
            (
                "min.compaction.lag.ms=100 max.compaction.lag.ms=50",
                Some(
                    "conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (50)",
                ),
            ),
            (
                "remote.storage.enable=true",
                Some(
                    "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
                     remote log storage.",
                ),
            ),
        ];
        for (settings, expected) in cases {
            let outcome = validate_topic(&BrokerConfig::default(), &ConfigMap::new(), &map(settings));
            assert_eq!(outcome.err().map(|error| error.message).as_deref(), expected, "{settings}");
        }
    }
}
