//! Changes of settings: AlterConfigs and IncrementalAlterConfigs checked against the image,
//! and the records that carry them out.
//!
//! Order of checks and messages are those of Kafka's broker (`ConfigAdminManager`) and, behind it, its
//! controller (`ConfigurationControlManager`).

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::image::{MetadataImage, NamedConfigs};
use super::name::check_topic_name;
use super::record::{ConfigResource, MetadataRecord};
use crate::base::config::{
    BrokerConfig, ClientMetricsFault, ClientMetricsSubscription, ConfigError, ConfigMap, ConfigType,
    Definition, DynamicScope, broker_keys, list_default, topic_keys, validate_dynamic_broker, validate_group,
    validate_topic,
};
use crate::base::ids::BrokerId;

/// Whose settings a request names, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterTarget {
    Topic(String),
    /// The id of a broker; empty for all.
    Broker(String),
    Group(String),
    /// A subscription to metrics of clients.
    ClientMetrics(String),
}

/// What is done to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterOperation {
    Set,
    Delete,
    /// Adds items to a list.
    Append,
    /// Takes items out of a list.
    Subtract,
}

/// One key of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterEntry {
    pub key: String,
    pub operation: AlterOperation,
    pub value: Option<String>,
}

/// What becomes of the keys that a request does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKeys {
    /// IncrementalAlterConfigs.
    Keep,
    /// AlterConfigs, whose operations are all `Set`.
    Reset,
}

/// A change of one resource's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    pub target: AlterTarget,
    pub entries: Vec<AlterEntry>,
    pub others: OtherKeys,
}

/// Which of Kafka's errors a refused change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterErrorKind {
    InvalidConfig,
    InvalidRequest,
    InvalidTopic,
    UnknownTopic,
    /// No such broker is registered.
    UnknownBroker,
    /// The change could not be stored.
    Storage,
}

/// A refused change of settings, in Kafka's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct AlterError {
    pub kind: AlterErrorKind,
    pub message: String,
}

impl AlterError {
    pub fn config(message: impl Into<String>) -> AlterError {
        AlterError { kind: AlterErrorKind::InvalidConfig, message: message.into() }
    }

    pub fn request(message: impl Into<String>) -> AlterError {
        AlterError { kind: AlterErrorKind::InvalidRequest, message: message.into() }
    }

    pub fn storage(message: impl Into<String>) -> AlterError {
        AlterError { kind: AlterErrorKind::Storage, message: message.into() }
    }
}

/// Checks changes, each for itself and all against the same image: a result for each, and the records of
/// those that were not refused. No two of them name the same resource.
pub fn alter_configs(
    image: &MetadataImage,
    alterations: &[Alteration],
    broker: &BrokerConfig,
) -> (Vec<Result<(), AlterError>>, Vec<MetadataRecord>) {
    let mut records = Vec::new();
    // They are counted, so those of the same request are known to one another; most requests have none.
    let mut subscriptions = None;
    let mut check = |alteration| {
        alter(image, &mut subscriptions, alteration, broker).map(|of_resource| records.extend(of_resource))
    };
    let results = alterations.iter().map(&mut check).collect();
    (results, records)
}

fn alter(
    image: &MetadataImage,
    subscriptions: &mut Option<Subscriptions>,
    alteration: &Alteration,
    broker: &BrokerConfig,
) -> Result<Vec<MetadataRecord>, AlterError> {
    check_entries(&alteration.entries)?;
    match &alteration.target {
        AlterTarget::Topic(name) => alter_topic(image, name, alteration, broker),
        AlterTarget::Broker(name) => alter_broker(image, name, alteration, broker),
        AlterTarget::Group(name) => alter_group(image, name, alteration, broker),
        AlterTarget::ClientMetrics(name) => {
            let subscriptions = subscriptions.get_or_insert_with(|| Subscriptions::of(image));
            alter_client_metrics(subscriptions, name, alteration)
        }
    }
}

/// Refuses entries of which two name the same key, or one that sets lacks its value.
pub fn check_entries(entries: &[AlterEntry]) -> Result<(), AlterError> {
    let mut seen = BTreeSet::new();
    if !entries.iter().all(|entry| seen.insert(entry.key.as_str())) {
        return Err(AlterError::request("Error due to duplicate config keys"));
    }
    let lacks = |entry: &&AlterEntry| entry.value.is_none() && entry.operation != AlterOperation::Delete;
    let null: Vec<&str> = entries.iter().filter(lacks).map(|entry| entry.key.as_str()).collect();
    match null.is_empty() {
        true => Ok(()),
        false => Err(AlterError::request(format!("Null value not supported for : {}", null.join(",")))),
    }
}

fn alter_topic(
    image: &MetadataImage,
    name: &str,
    alteration: &Alteration,
    broker: &BrokerConfig,
) -> Result<Vec<MetadataRecord>, AlterError> {
    let topic = image.topic(name);
    let nothing = ConfigMap::new();
    let before = topic.map_or(&nothing, |topic| &topic.configs);
    let after = altered(before, alteration, |key, operation| match topic_keys().get(key) {
        Some(definition) if definition.kind == ConfigType::List => Ok(definition),
        _ => Err(no_list(key, operation)),
    })?;
    if name.is_empty() {
        return Err(AlterError::request("Default topic resources are not allowed."));
    }
    check_topic_name(name).map_err(|message| AlterError { kind: AlterErrorKind::InvalidTopic, message })?;
    let dynamic = image.config_layers(broker).dynamic();
    validate_topic(broker, &dynamic, &after).map_err(|error| AlterError::config(error.message))?;
    if topic.is_none() {
        let message = format!("The topic '{name}' does not exist.");
        return Err(AlterError { kind: AlterErrorKind::UnknownTopic, message });
    }
    Ok(records(&ConfigResource::Topic(name.to_owned()), before, &after))
}

/// A group need not be there to have settings.
fn alter_group(
    image: &MetadataImage,
    name: &str,
    alteration: &Alteration,
    broker: &BrokerConfig,
) -> Result<Vec<MetadataRecord>, AlterError> {
    let before = image.group_config(name);
    // No key of groups is a list.
    let after = altered(before, alteration, |key, operation| Err(no_list(key, operation)))?;
    if name.is_empty() {
        return Err(AlterError::request("Default group resources are not allowed."));
    }
    validate_group(image.config_layers(broker), &after).map_err(|error| AlterError::config(error.message))?;
    Ok(records(&ConfigResource::Group(name.to_owned()), before, &after))
}

/// Subscriptions to metrics of clients, and patterns of them all: each client that asks is held against every
/// one, and patterns take memory. Kafka bounds neither.
const SUBSCRIPTIONS_MAX: usize = 256;
const PATTERNS_MAX: usize = 256;

/// Subscriptions as the changes of one request leave them, and how many patterns they have together.
struct Subscriptions {
    settings: NamedConfigs,
    patterns: usize,
}

impl Subscriptions {
    fn of(image: &MetadataImage) -> Subscriptions {
        let settings = image.client_metrics().clone();
        let patterns = settings.values().map(ClientMetricsSubscription::count_patterns).sum();
        Subscriptions { settings, patterns }
    }
}

/// A subscription is there while it has a setting.
fn alter_client_metrics(
    subscriptions: &mut Subscriptions,
    name: &str,
    alteration: &Alteration,
) -> Result<Vec<MetadataRecord>, AlterError> {
    let nothing = ConfigMap::new();
    let known = subscriptions.settings.get(name);
    let before = known.unwrap_or(&nothing);
    // Kafka's controller adds to none of its lists.
    let after = altered(before, alteration, |key, operation| Err(no_list(key, operation)))?;
    if name.is_empty() {
        return Err(AlterError::request("Subscription name can't be empty"));
    }
    let subscription = ClientMetricsSubscription::parse(&after).map_err(|fault| match fault {
        ClientMetricsFault::Request(message) => AlterError::request(message),
        ClientMetricsFault::Config(error) => AlterError::config(error.message),
    })?;
    if known.is_none() && subscriptions.settings.len() >= SUBSCRIPTIONS_MAX && !after.is_empty() {
        return Err(AlterError::request(format!(
            "There are {SUBSCRIPTIONS_MAX} client metrics subscriptions; this broker serves no more."
        )));
    }
    let of_others = subscriptions.patterns - ClientMetricsSubscription::count_patterns(before);
    let patterns = of_others + subscription.patterns();
    if patterns > PATTERNS_MAX {
        return Err(AlterError::request(format!(
            "All client metrics subscriptions together may have {PATTERNS_MAX} client matching patterns."
        )));
    }
    let records = records(&ConfigResource::ClientMetrics(name.to_owned()), before, &after);
    subscriptions.patterns = patterns;
    let settings = Arc::make_mut(&mut subscriptions.settings);
    match after.is_empty() {
        true => drop(settings.remove(name)),
        false => drop(settings.insert(name.into(), after)),
    }
    Ok(records)
}

fn no_list(key: &str, operation: AlterOperation) -> String {
    let verb = if operation == AlterOperation::Append { "APPEND" } else { "SUBTRACT" };
    format!("Can't {verb} to key {key} because its type is not LIST.")
}

fn alter_broker(
    image: &MetadataImage,
    name: &str,
    alteration: &Alteration,
    broker: &BrokerConfig,
) -> Result<Vec<MetadataRecord>, AlterError> {
    let (resource, scope, before) = match name.is_empty() {
        true => (ConfigResource::BrokerDefault, DynamicScope::Cluster, image.broker_default_config()),
        false => {
            let id = check_broker_id(name, broker)?;
            (ConfigResource::Broker(id), DynamicScope::Broker, image.broker_config(id))
        }
    };
    let after = altered(before, alteration, |key, operation| match broker_keys().get(key) {
        Some(definition) if definition.kind == ConfigType::List => Ok(definition),
        Some(_) => {
            let verb = if operation == AlterOperation::Append { "append" } else { "subtract" };
            Err(format!("Config value {verb} is not allowed for config key: {key}"))
        }
        None => Err(format!("Unknown config name: {key}")),
    })?;
    validate_dynamic_broker(&after, scope).map_err(|error| AlterError::request(error.message))?;
    check_together(image, scope, &after, broker).map_err(|error| AlterError::request(error.message))?;
    check_minimum_of_replicas(scope, before, &after)?;
    Ok(records(&resource, before, &after))
}

/// Checks what the settings give with those of the file and of the other scope.
fn check_together(
    image: &MetadataImage,
    scope: DynamicScope,
    after: &ConfigMap,
    broker: &BrokerConfig,
) -> Result<(), ConfigError> {
    let mut layers = image.config_layers(broker);
    match scope {
        DynamicScope::Broker => layers.dynamic_broker = after,
        DynamicScope::Cluster => layers.dynamic_default = after,
    }
    layers.check_cordoned()?;
    layers.check_address_limits()
}

fn check_broker_id(name: &str, broker: &BrokerConfig) -> Result<BrokerId, AlterError> {
    let id: i32 = name
        .parse()
        .map_err(|_| AlterError::request(format!("Node id must be an integer, but it is: {name}")))?;
    let own = broker.node_id();
    match id == own.0 {
        true => Ok(own),
        false => {
            Err(AlterError::request(format!("Unexpected broker id, expected {own}, but received {name}")))
        }
    }
}

/// The minimum belongs to the cluster and is always set there, so that all brokers agree on it.
fn check_minimum_of_replicas(
    scope: DynamicScope,
    before: &ConfigMap,
    after: &ConfigMap,
) -> Result<(), AlterError> {
    const KEY: &str = "min.insync.replicas";
    let reason = match scope {
        DynamicScope::Broker if after.contains_key(KEY) => {
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
        }
        DynamicScope::Cluster if before.contains_key(KEY) && !after.contains_key(KEY) => {
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
        }
        _ => return Ok(()),
    };
    Err(AlterError::config(reason))
}

/// The settings after a change; `list_key` finds a key whose items may be added and taken out,
/// or says why not.
fn altered(
    before: &ConfigMap,
    alteration: &Alteration,
    list_key: impl Fn(&str, AlterOperation) -> Result<&'static Definition, String>,
) -> Result<ConfigMap, AlterError> {
    let mut after = match alteration.others {
        OtherKeys::Keep => before.clone(),
        OtherKeys::Reset => ConfigMap::new(),
    };
    for AlterEntry { key, operation, value } in &alteration.entries {
        let value = value.as_deref().unwrap_or_default();
        match operation {
            AlterOperation::Set => drop(after.insert(key.clone(), value.to_owned())),
            AlterOperation::Delete => drop(after.remove(key)),
            AlterOperation::Append | AlterOperation::Subtract => {
                let definition = list_key(key, *operation).map_err(AlterError::config)?;
                let mut items = items_of(before.get(key), definition);
                let named = value.split(',').map(str::to_owned);
                if *operation == AlterOperation::Append {
                    let mut known: BTreeSet<String> = items.iter().cloned().collect();
                    items.extend(named.filter(|item| known.insert(item.clone())));
                } else {
                    let named: BTreeSet<String> = named.collect();
                    items.retain(|item| !named.contains(item));
                }
                after.insert(key.clone(), items.join(","));
            }
        }
    }
    Ok(after)
}

/// What a list consists of; where it is not set, its default.
fn items_of(set: Option<&String>, definition: &Definition) -> Vec<String> {
    match set {
        Some(text) if text.is_empty() => Vec::new(),
        Some(text) => text.split(',').map(str::to_owned).collect(),
        None => list_default(definition),
    }
}

fn records(resource: &ConfigResource, before: &ConfigMap, after: &ConfigMap) -> Vec<MetadataRecord> {
    let record = |key: &String, value: Option<&String>| MetadataRecord::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: value.cloned(),
    };
    let set = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    set.map(|(key, value)| record(key, Some(value))).chain(removed.map(|key| record(key, None))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::TopicId;
    use crate::meta::bootstrap;

    /// Settings before, operations, and settings after or the message. `=` sets, `+=` appends, `-=`
    /// subtracts, `!` after a key deletes; `reset` in front: AlterConfigs.
    const TOPIC_CASES: &str = "
        retention.ms=1 | retention.bytes=2            | retention.bytes=2 retention.ms=1
        retention.ms=1 | reset retention.bytes=2      | retention.bytes=2
        retention.ms=1 | reset                        |
        retention.ms=1 | retention.ms! segment.ms!    |
                       | cleanup.policy+=compact      | cleanup.policy=delete,compact
        cleanup.policy=delete,compact | cleanup.policy-=delete | cleanup.policy=compact
        cleanup.policy=compact | cleanup.policy+=compact,delete | cleanup.policy=compact,delete
        cleanup.policy=compact | cleanup.policy-=compact | cleanup.policy=
        cleanup.policy=        | cleanup.policy+=delete  | cleanup.policy=delete
                       | retention.ms+=5              | Can't APPEND to key retention.ms because its type is not LIST.
                       | no.such-=5                   | Can't SUBTRACT to key no.such because its type is not LIST.
                       | retention.ms=5 retention.ms! | Error due to duplicate config keys
                       | retention.ms=-7              | Invalid value -7 for configuration retention.ms: Value must be at least -1
                       | no.such=1                    | Unknown topic config name: no.such
    ";

    const BROKER_CASES: &str = "
        min.insync.replicas=1 | log.retention.ms=5 | log.retention.ms=5 min.insync.replicas=1
        min.insync.replicas=1 | reset log.retention.ms=5 | Cluster-level min.insync.replicas cannot be removed while ELR is enabled.
        min.insync.replicas=1 | min.insync.replicas=2 | min.insync.replicas=2
        min.insync.replicas=1 | log.cleanup.policy+=compact | log.cleanup.policy=delete,compact min.insync.replicas=1
        min.insync.replicas=1 | log.retention.ms+=5 | Config value append is not allowed for config key: log.retention.ms
        min.insync.replicas=1 | no.such-=5 | Unknown config name: no.such
        min.insync.replicas=1 | node.id=5 | Cannot update these configs dynamically: [node.id]
        min.insync.replicas=1 | node.id! | min.insync.replicas=1
    ";

    const GROUP_CASES: &str = "
        | consumer.heartbeat.interval.ms=6000 | consumer.heartbeat.interval.ms=6000
        consumer.heartbeat.interval.ms=6000 | consumer.session.timeout.ms=50000 | consumer.heartbeat.interval.ms=6000 consumer.session.timeout.ms=50000
        consumer.heartbeat.interval.ms=6000 | reset consumer.session.timeout.ms=50000 | consumer.session.timeout.ms=50000
        consumer.heartbeat.interval.ms=6000 | consumer.heartbeat.interval.ms! |
        consumer.heartbeat.interval.ms=6000 | reset |
        consumer.heartbeat.interval.ms=6000 | consumer.heartbeat.interval.ms=1 | consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms
        | consumer.session.timeout.ms+=5 | Can't APPEND to key consumer.session.timeout.ms because its type is not LIST.
        | retention.ms=1 | Unknown group config name: retention.ms
        | share.delivery.count.limit=1 share.delivery.count.limit! | Error due to duplicate config keys
    ";

    fn alteration(target: AlterTarget, text: &str) -> Alteration {
        let (others, text) = match text.strip_prefix("reset") {
            Some(rest) => (OtherKeys::Reset, rest),
            None => (OtherKeys::Keep, text),
        };
        let entry = |word: &str| {
            let (key, operation, value) = if let Some(key) = word.strip_suffix('!') {
                (key, AlterOperation::Delete, None)
            } else if let Some((key, value)) = word.split_once("+=") {
                (key, AlterOperation::Append, Some(value))
            } else if let Some((key, value)) = word.split_once("-=") {
                (key, AlterOperation::Subtract, Some(value))
            } else {
                let (key, value) = word.split_once('=').unwrap();
                (key, AlterOperation::Set, Some(value))
            };
            AlterEntry { key: key.to_owned(), operation, value: value.map(str::to_owned) }
        };
        Alteration { target, entries: text.split_whitespace().map(entry).collect(), others }
    }

    fn check(cases: &str, target: &AlterTarget, resource: &ConfigResource) {
        for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
            let [before, change, expected] = fields[..] else { panic!("{line}") };
            let mut image = MetadataImage::default();
            let topic = MetadataRecord::Topic { id: TopicId([1; 16]), name: "t".to_owned() };
            image.apply(&topic).unwrap();
            for pair in before.split_whitespace() {
                let (key, value) = pair.split_once('=').unwrap();
                let (key, value) = (key.to_owned(), Some(value.to_owned()));
                image.apply(&MetadataRecord::Config { resource: resource.clone(), key, value }).unwrap();
            }
            let change = alteration(target.clone(), change);
            let (results, records) = alter_configs(&image, &[change], &BrokerConfig::default());
            image.apply_all(&records).unwrap();
            let after = match resource {
                ConfigResource::Topic(name) => &image.topic(name).unwrap().configs,
                ConfigResource::Broker(id) => image.broker_config(*id),
                ConfigResource::BrokerDefault => image.broker_default_config(),
                ConfigResource::Group(name) => image.group_config(name),
                ConfigResource::ClientMetrics(name) => image.client_metrics_config(name),
            };
            let shown: Vec<String> = after.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let shown = match &results[..] {
                [Ok(())] => shown.join(" "),
                [Err(error)] => error.message.clone(),
                _ => panic!("one change has one result"),
            };
            assert_eq!(shown, expected, "{line}");
        }
    }

    #[test]
    fn settings_of_topics_change_as_kafka_changes_them() {
        let resource = ConfigResource::Topic("t".to_owned());
        check(TOPIC_CASES, &AlterTarget::Topic("t".to_owned()), &resource);
    }

    #[test]
    fn settings_of_groups_change_as_kafka_changes_them() {
        let name = "g".to_owned();
        check(GROUP_CASES, &AlterTarget::Group(name.clone()), &ConfigResource::Group(name));
    }

    const CLIENT_METRICS_CASES: &str = "
        metrics=a | interval.ms=500           | interval.ms=500 metrics=a
        metrics=a | reset interval.ms=500     | interval.ms=500
        metrics=a | metrics!                  |
                  | metrics+=b                | Can't APPEND to key metrics because its type is not LIST.
                  | interval.ms=5             | Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)
                  | interval=5                | Unknown client metrics configuration: interval
                  | match=client_id           | Illegal client matching pattern: client_id
    ";

    #[test]
    fn subscriptions_to_client_metrics_change_as_kafka_changes_them() {
        let name = "m".to_owned();
        let target = AlterTarget::ClientMetrics(name.clone());
        check(CLIENT_METRICS_CASES, &target, &ConfigResource::ClientMetrics(name));
    }

    #[test]
    fn subscriptions_and_their_patterns_are_bounded() {
        let mut image = MetadataImage::default();
        let broker = BrokerConfig::default();
        let set = |name: String, value: String| Alteration {
            target: AlterTarget::ClientMetrics(name),
            entries: vec![AlterEntry {
                key: "match".to_owned(),
                operation: AlterOperation::Set,
                value: Some(value),
            }],
            others: OtherKeys::Reset,
        };
        let mut alter = |alteration| {
            let (results, records) = alter_configs(&image, &[alteration], &broker);
            image.apply_all(&records).unwrap();
            results[0].clone().map_err(|error| error.message)
        };
        for number in 0..PATTERNS_MAX / 2 {
            let patterns = "client_id=a,client_source_port=1".to_owned();
            assert_eq!(alter(set(number.to_string(), patterns)), Ok(()));
        }
        let refused = alter(set("m".to_owned(), "client_id=a".to_owned())).unwrap_err();
        assert!(refused.contains("256 client matching patterns"), "{refused}");
        assert_eq!(alter(set("0".to_owned(), "client_id=a".to_owned())), Ok(()), "a change for less");
        for number in PATTERNS_MAX / 2..SUBSCRIPTIONS_MAX {
            assert_eq!(alter(set(number.to_string(), String::new())), Ok(()));
        }
        let refused = alter(set("m".to_owned(), String::new())).unwrap_err();
        assert!(refused.contains("There are 256 client metrics subscriptions"), "{refused}");
        let at_once: Vec<_> =
            (0..SUBSCRIPTIONS_MAX + 1).map(|number| set(number.to_string(), String::new())).collect();
        let (results, _) = alter_configs(&MetadataImage::default(), &at_once, &broker);
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), SUBSCRIPTIONS_MAX);
    }

    #[test]
    fn settings_of_all_brokers_change_as_kafka_changes_them() {
        check(BROKER_CASES, &AlterTarget::Broker(String::new()), &ConfigResource::BrokerDefault);
    }

    #[test]
    fn each_resource_stands_for_itself() {
        let broker = BrokerConfig::default();
        let mut image = MetadataImage::default();
        image.apply_all(&bootstrap("c", &broker)).unwrap();
        let targets = [
            (AlterTarget::Topic("x".to_owned()), "The topic 'x' does not exist."),
            (AlterTarget::Topic(String::new()), "Default topic resources are not allowed."),
            (AlterTarget::Broker("7".to_owned()), "Unexpected broker id, expected 1, but received 7"),
            (AlterTarget::Broker("b".to_owned()), "Node id must be an integer, but it is: b"),
            (AlterTarget::Broker("1".to_owned()), ""),
            (AlterTarget::Group(String::new()), "Default group resources are not allowed."),
            (AlterTarget::Group("x".to_owned()), ""),
            (AlterTarget::ClientMetrics(String::new()), "Subscription name can't be empty"),
        ];
        let changes: Vec<Alteration> =
            targets.iter().map(|(target, _)| alteration(target.clone(), "")).collect();
        let (results, records) = alter_configs(&image, &changes, &broker);
        for ((target, expected), result) in targets.iter().zip(results) {
            let message = result.err().map_or_else(String::new, |error| error.message);
            assert_eq!(message, *expected, "{target:?}");
        }
        assert_eq!(records, []);
    }
}
