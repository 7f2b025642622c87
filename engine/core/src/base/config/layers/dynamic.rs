//! Settings of brokers made while they run: which keys may change, for which brokers, and with which values,
//! as Kafka's `DynamicBrokerConfig` says and words it.

use std::time::Duration;

use super::per_address::{OVERRIDES_KEY, address_limits};
use crate::base::config::ConfigLayers;
use crate::base::config::definition::{Definition, UpdateMode};
use crate::base::config::registry::{broker_keys, definition_of, key_of_listener};
use crate::base::config::value::{ConfigError, ConfigMap, Value};

/// Whose settings are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynamicScope {
    /// Of this broker.
    Broker,
    /// Of all brokers.
    Cluster,
}

/// Settings that Kafka changes by opening and closing listeners, which this broker does only at its start.
const ONLY_AT_START: [&str; 2] = ["listeners", "listener.security.protocol.map"];

/// Settings of single listeners that may be made for all brokers.
const OF_LISTENERS_OF_ALL: [&str; 3] =
    ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// Checks all settings that a broker, or all brokers, shall have. Unknown keys are kept, as in Kafka:
/// they may belong to a plugin.
pub fn validate_dynamic_broker(settings: &ConfigMap, scope: DynamicScope) -> Result<(), ConfigError> {
    let named = |is_wrong: &dyn Fn(&str) -> bool| {
        let wrong: Vec<&str> = settings.keys().map(String::as_str).filter(|key| is_wrong(key)).collect();
        wrong.first().map(|first| ((*first).to_owned(), wrong.join(", ")))
    };
    let refuse = |found: Option<(String, String)>, reason: &str| match found {
        Some((key, keys)) => Err(ConfigError::new(&key, format!("{reason}: [{keys}]"))),
        None => Ok(()),
    };
    let mode = |key: &str| broker_keys().get(key).map(|definition| definition.update);
    refuse(named(&|key| mode(key) == Some(UpdateMode::ReadOnly)), "Cannot update these configs dynamically")?;
    refuse(
        named(&|key| key.starts_with("ssl.") && mode(key) == Some(UpdateMode::PerBroker)),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (key, text) in settings {
        if let Some(definition) = definition_of(key) {
            definition.parse(text)?;
        }
    }
    if scope == DynamicScope::Cluster {
        let of_one_broker = |key: &str| match key_of_listener(key) {
            Some(key) => !OF_LISTENERS_OF_ALL.contains(&key),
            None => mode(key) == Some(UpdateMode::PerBroker),
        };
        let reason = "Cannot update these configs at default cluster level, broker id must be specified";
        refuse(named(&of_one_broker), reason)?;
    }
    refuse(named(&|key| ONLY_AT_START.contains(&key)), "These configs change here only by a restart")?;
    check_retention(settings)?;
    address_limits(settings.get(OVERRIDES_KEY).map_or("", String::as_str)).map(drop)
}

/// As at the start, Kafka refuses a retention of zero, in other words.
fn check_retention(settings: &ConfigMap) -> Result<(), ConfigError> {
    const KEY: &str = "log.retention.ms";
    let value = settings.get(KEY).and_then(|text| broker_keys().get(KEY)?.parse(text).ok());
    match value.and_then(|value| value.whole()) {
        Some(0) => {
            let reason =
                format!("requirement failed: {KEY} must be unlimited (-1) or, greater than or equal to 1");
            Err(ConfigError::new(KEY, reason))
        }
        _ => Ok(()),
    }
}

/// What holds now of keys that act on the broker itself and may change while it runs. What holds for topics
/// is found by [`TopicConfig::resolve`](crate::base::config::TopicConfig::resolve).
impl ConfigLayers<'_> {
    /// Most connections of this broker at a time.
    pub fn max_connections(&self) -> i32 {
        match self.whole("max.connections").map(i32::try_from) {
            Some(Ok(count)) => count,
            _ => self.broker.max_connections(),
        }
    }

    /// Time after which a silent producer's sequence is forgotten;
    /// sooner where more came than a 32nd of the memory holds.
    pub fn producer_id_expiration(&self) -> Duration {
        match self.whole("producer.id.expiration.ms").map(u64::try_from) {
            Some(Ok(ms)) => Duration::from_millis(ms),
            _ => self.broker.producer_id_expiration(),
        }
    }

    /// Pause of compaction that found nothing to do.
    pub fn cleaner_backoff(&self) -> Duration {
        let ms = self.whole_or_given("log.cleaner.backoff.ms");
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// Memory of all key maps together, in bytes.
    pub fn cleaner_dedupe_buffer_bytes(&self) -> u64 {
        u64::try_from(self.whole_or_given("log.cleaner.dedupe.buffer.size")).unwrap_or(0)
    }

    /// How full a key map may become.
    pub fn cleaner_load_factor(&self) -> f64 {
        self.double_or_given("log.cleaner.io.buffer.load.factor")
    }

    /// What compaction may read and write in a second.
    pub fn cleaner_io_bytes_per_second(&self) -> f64 {
        self.double_or_given("log.cleaner.io.max.bytes.per.second")
    }

    /// A whole number of this broker's configuration as it stands now.
    pub(in crate::base::config) fn whole_or_given(&self, key: &str) -> i64 {
        self.whole(key).or_else(|| self.broker.value(key).and_then(Value::whole)).unwrap_or(0)
    }

    fn double_or_given(&self, key: &str) -> f64 {
        let set = self.set_text(key).and_then(|text| broker_keys().get(key)?.parse(text).ok());
        match set.as_ref().or_else(|| self.broker.value(key)) {
            Some(Value::Double(value)) => *value,
            _ => f64::MAX,
        }
    }
}

/// The values that appending to, or subtracting from, a list key starts from where nothing is set:
/// its default.
pub fn list_default(definition: &Definition) -> Vec<String> {
    match &definition.default {
        Some(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::BrokerConfig;

    /// Settings, for whom, and the message; the messages are Kafka's but for the last.
    const ANSWERS: &str = "
        log.retention.ms=5, log.segment.bytes=1048576 | Broker  |
        no.such.key=7                     | Cluster |
        log.retention.ms=-1               | Cluster |
        node.id=7, log.retention.ms=x     | Broker  | Cannot update these configs dynamically: [node.id]
        log.retention.hours=7             | Cluster | Cannot update these configs dynamically: [log.retention.hours]
        log.retention.ms=x                | Broker  | Invalid value x for configuration log.retention.ms: Not a number of type LONG
        log.retention.ms=0                | Broker  | requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1
        ssl.keystore.type=JKS             | Broker  | These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.type]
        listener.name.a.ssl.keystore.type=JKS | Broker |
        listener.name.a.ssl.keystore.type=JKS | Cluster | Cannot update these configs at default cluster level, broker id must be specified: [listener.name.a.ssl.keystore.type]
        listener.name.a.max.connections=5 | Cluster |
        listener.name.a.no.such.key=5     | Broker  |
        listener.name.a.no.such.key=5     | Cluster | Cannot update these configs at default cluster level, broker id must be specified: [listener.name.a.no.such.key]
        listener.name.a.max.connections=x | Broker  | Invalid value x for configuration max.connections: Not a number of type INT
        listeners=PLAINTEXT://:1          | Broker  | These configs change here only by a restart: [listeners]
    ";

    #[test]
    fn settings_of_brokers_are_refused_as_kafka_does() {
        for line in ANSWERS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [settings, scope, answer] = fields[..] else { panic!("{line}") };
            let pairs = settings.split(", ").map(|pair| pair.split_once('=').unwrap());
            let settings = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            let scope = if scope == "Broker" { DynamicScope::Broker } else { DynamicScope::Cluster };
            let ours = validate_dynamic_broker(&settings, scope);
            assert_eq!(ours.map_or_else(|error| error.message, |()| String::new()), answer, "{line}");
        }
    }

    #[test]
    fn a_brokers_own_setting_goes_before_that_of_all() {
        let broker = BrokerConfig::default();
        let set = |value: &str| ConfigMap::from([("max.connections".to_owned(), value.to_owned())]);
        let (own, all, nothing) = (set("5"), set("7"), ConfigMap::new());
        let count = |dynamic_broker, dynamic_default| {
            ConfigLayers { broker: &broker, dynamic_broker, dynamic_default }.max_connections()
        };
        assert_eq!((count(&own, &all), count(&nothing, &all)), (5, 7));
        assert_eq!(count(&nothing, &nothing), i32::MAX);
    }
}
