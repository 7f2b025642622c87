//! Settings of single groups (KIP-848): what they may be, and what holds for a group of consumers.

use super::ConfigLayers;
use super::definition::Definition;
use super::registry::group_keys;
use super::topic::inherited;
use super::value::{ConfigError, ConfigMap, Value};

/// What holds for one group of the consumer protocol: its own settings, else those of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupConfig {
    /// Silence after which a member is out.
    pub session_timeout_ms: i32,
    /// Pause between a member's heartbeats.
    pub heartbeat_interval_ms: i32,
    /// Shortest pause between two assignments.
    pub assignment_interval_ms: i32,
}

const SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";
const HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";
const ASSIGNMENT_INTERVAL: &str = "consumer.assignment.interval.ms";

/// Keys whose values brokers bound, in the order in which Kafka looks at them.
const BOUNDED: [&str; 13] = [
    HEARTBEAT_INTERVAL,
    SESSION_TIMEOUT,
    ASSIGNMENT_INTERVAL,
    "share.heartbeat.interval.ms",
    "share.session.timeout.ms",
    "share.record.lock.duration.ms",
    "share.delivery.count.limit",
    "share.partition.max.record.locks",
    "share.assignment.interval.ms",
    "streams.heartbeat.interval.ms",
    "streams.session.timeout.ms",
    "streams.num.standby.replicas",
    "streams.assignment.interval.ms",
];

impl GroupConfig {
    /// Resolves a group's settings over those of the broker. What was set before the broker's bounds became
    /// narrower counts as the nearest that these allow (`GroupConfig.evaluate`).
    pub fn resolve(layers: ConfigLayers<'_>, overrides: &ConfigMap) -> GroupConfig {
        let broker = Inherited { layers, dynamic: layers.dynamic() };
        let value = |key| i32::try_from(broker.bounded(key, overrides)).unwrap_or(i32::MAX);
        GroupConfig {
            session_timeout_ms: value(SESSION_TIMEOUT),
            heartbeat_interval_ms: value(HEARTBEAT_INTERVAL),
            assignment_interval_ms: value(ASSIGNMENT_INTERVAL),
        }
    }
}

/// Checks the settings of a group as Kafka's controller does, with its messages.
pub fn validate_group(layers: ConfigLayers<'_>, overrides: &ConfigMap) -> Result<(), ConfigError> {
    for key in overrides.keys() {
        if group_keys().get(key).is_none() {
            return Err(ConfigError::new(key, format!("Unknown group config name: {key}")));
        }
    }
    for (key, text) in overrides {
        if let Some(definition) = group_keys().get(key) {
            definition.parse(text)?;
        }
    }
    let broker = Inherited { layers, dynamic: layers.dynamic() };
    for key in BOUNDED {
        let value = broker.value(key, overrides);
        for (side, how) in [(Side::Min, "greater"), (Side::Max, "less")] {
            let Some((name, bound)) = broker.bound(key, side) else { continue };
            let is_within = if side == Side::Min { value >= bound } else { value <= bound };
            if !is_within {
                return Err(ConfigError::new(key, format!("{key} must be {how} than or equal to {name}")));
            }
        }
    }
    for kind in ["consumer", "share", "streams"] {
        let [session, heartbeat] =
            ["session.timeout.ms", "heartbeat.interval.ms"].map(|key| format!("{kind}.{key}"));
        if broker.value(&session, overrides) <= broker.value(&heartbeat, overrides) {
            return Err(ConfigError::new(&session, format!("{session} must be greater than {heartbeat}")));
        }
    }
    Ok(())
}

/// Which end of what a broker allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Min,
    Max,
}

/// A broker's configuration as its groups inherit it.
struct Inherited<'a> {
    layers: ConfigLayers<'a>,
    dynamic: ConfigMap,
}

impl Inherited<'_> {
    /// The value of a key of whole numbers.
    fn value(&self, key: &str, overrides: &ConfigMap) -> i64 {
        let definition = definition_of(key);
        let set = overrides.get(key).and_then(|text| definition.parse(text).ok());
        let value = set
            .or_else(|| inherited(self.layers.broker, &self.dynamic, definition))
            .or_else(|| definition.default.clone());
        match value.as_ref().and_then(Value::whole) {
            Some(value) => value,
            None => panic!("{key} is no whole number"),
        }
    }

    /// The same, and what a group itself set within the broker's bounds.
    fn bounded(&self, key: &str, overrides: &ConfigMap) -> i64 {
        let value = self.value(key, overrides);
        if !overrides.contains_key(key) {
            return value;
        }
        let bound = |side| self.bound(key, side).map(|(_, bound)| bound);
        let at_least = bound(Side::Min).map_or(value, |least| value.max(least));
        if at_least > value { at_least } else { bound(Side::Max).map_or(value, |most| value.min(most)) }
    }

    /// What a broker allows at most, or at least: the key that says so, and its value.
    fn bound(&self, key: &str, side: Side) -> Option<(String, i64)> {
        let (kind, rest) = key.split_once('.')?;
        let name = match (side, rest) {
            (Side::Min, "num.standby.replicas") => return None,
            (Side::Max, "num.standby.replicas") => format!("group.{kind}.max.standby.replicas"),
            (Side::Min, _) => format!("group.{kind}.min.{rest}"),
            (Side::Max, _) => format!("group.{kind}.max.{rest}"),
        };
        let bound = self.layers.whole_or_given(&name);
        Some((name, bound))
    }
}

fn definition_of(key: &str) -> &'static Definition {
    match group_keys().get(key) {
        Some(definition) => definition,
        None => panic!("{key} is no key of groups"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BrokerConfig, LoadedConfig, Properties, UnknownKeys, broker_keys};
    use super::*;

    /// Settings, and the message of Apache Kafka 4.3.1.
    const ANSWERS: &str = "
        consumer.heartbeat.interval.ms=6000  |
        consumer.heartbeat.interval.ms=5000 consumer.session.timeout.ms=60000 |
        consumer.heartbeat.interval.ms=4999  | consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms
        consumer.heartbeat.interval.ms=15001 | consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms
        consumer.heartbeat.interval.ms=0     | Invalid value 0 for configuration consumer.heartbeat.interval.ms: Value must be at least 1
        consumer.session.timeout.ms=44999    | consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms
        consumer.session.timeout.ms=60001    | consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms
        consumer.session.timeout.ms=x        | Invalid value x for configuration consumer.session.timeout.ms: Not a number of type INT
        consumer.assignment.interval.ms=0    |
        consumer.assignment.interval.ms=15001 | consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms
        consumer.session.timeout=1           | Unknown group config name: consumer.session.timeout
        share.delivery.count.limit=11        | share.delivery.count.limit must be less than or equal to group.share.max.delivery.count.limit
        share.delivery.count.limit=1         | Invalid value 1 for configuration share.delivery.count.limit: Value must be at least 2
        share.partition.max.record.locks=4001 | share.partition.max.record.locks must be less than or equal to group.share.max.partition.max.record.locks
        share.isolation.level=none           | Invalid value none for configuration share.isolation.level: String must be one of: read_committed, read_uncommitted
        share.auto.offset.reset=none         | Invalid value none for configuration share.auto.offset.reset: Invalid value `none` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.
        streams.num.standby.replicas=3       | streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas
    ";

    fn settings(text: &str) -> ConfigMap {
        let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn broker(text: &str) -> BrokerConfig {
        LoadedConfig::load(&Properties::parse(text).unwrap(), UnknownKeys::Refuse).unwrap().broker
    }

    fn layers<'a>(broker: &'a BrokerConfig, nothing: &'a ConfigMap) -> ConfigLayers<'a> {
        ConfigLayers { broker, dynamic_broker: nothing, dynamic_default: nothing }
    }

    #[test]
    fn settings_of_groups_are_refused_as_kafka_does() {
        let (broker, nothing) = (BrokerConfig::default(), ConfigMap::new());
        for line in ANSWERS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (given, answer) = line.split_once('|').unwrap();
            let ours = validate_group(layers(&broker, &nothing), &settings(given));
            assert_eq!(ours.map_or_else(|error| error.message, |()| String::new()), answer.trim(), "{line}");
        }
    }

    #[test]
    fn a_session_outlasts_a_heartbeat() {
        let broker = broker("group.consumer.max.heartbeat.interval.ms=50000");
        let nothing = ConfigMap::new();
        let refused =
            validate_group(layers(&broker, &nothing), &settings("consumer.heartbeat.interval.ms=45000"));
        let message = "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms";
        assert_eq!(refused.unwrap_err().message, message);
    }

    #[test]
    fn every_bound_is_a_key_of_brokers() {
        let (broker, nothing) = (BrokerConfig::default(), ConfigMap::new());
        let broker = Inherited { layers: layers(&broker, &nothing), dynamic: ConfigMap::new() };
        for key in BOUNDED {
            let bounds: Vec<_> =
                [Side::Min, Side::Max].into_iter().filter_map(|side| broker.bound(key, side)).collect();
            assert!(bounds.iter().all(|(name, _)| broker_keys().get(name).is_some()), "{bounds:?}");
            let value = broker.value(key, &nothing);
            assert!(bounds.first().is_none_or(|(_, least)| bounds.len() == 1 || value >= *least), "{key}");
        }
    }

    #[test]
    fn a_groups_own_setting_goes_before_that_of_the_broker_and_stays_within_its_bounds() {
        let nothing = ConfigMap::new();
        let narrow = broker("group.consumer.max.heartbeat.interval.ms=5500");
        let dynamic = settings("group.consumer.assignment.interval.ms=7");
        let of = |broker: &BrokerConfig, dynamic_default: &ConfigMap, own: &str| {
            let layers = ConfigLayers { broker, dynamic_broker: &nothing, dynamic_default };
            let config = GroupConfig::resolve(layers, &settings(own));
            [config.session_timeout_ms, config.heartbeat_interval_ms, config.assignment_interval_ms]
        };
        let plain = BrokerConfig::default();
        assert_eq!(of(&plain, &nothing, ""), [45_000, 5_000, 1_000]);
        assert_eq!(of(&plain, &dynamic, ""), [45_000, 5_000, 7]);
        assert_eq!(of(&plain, &dynamic, "consumer.assignment.interval.ms=9"), [45_000, 5_000, 9]);
        assert_eq!(of(&plain, &nothing, "consumer.session.timeout.ms=50000"), [50_000, 5_000, 1_000]);
        assert_eq!(of(&narrow, &nothing, "consumer.heartbeat.interval.ms=9000"), [45_000, 5_500, 1_000]);
        assert_eq!(of(&plain, &nothing, "consumer.heartbeat.interval.ms=1"), [45_000, 5_000, 1_000]);
    }
}
