//! What DescribeConfigs reports: values, their sources and their synonyms,
//! as Kafka 4.3.1 does (`ConfigHelper`).

use std::collections::BTreeSet;

use crate::base::config::definition::Definition;
use crate::base::config::registry::{
    Section, broker_keys, client_metrics_keys, definition_of, group_keys, key_of_listener, topic_keys,
};
use crate::base::config::topic::{broker_synonyms, factor_to_topic_unit, inherited};
use crate::base::config::value::{ConfigType, Value};
use crate::base::config::{BrokerConfig, ConfigMap};

/// Where a value comes from; the number of each is the one DescribeConfigs answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    DynamicTopic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    ClientMetrics = 7,
    Group = 8,
}

impl ConfigSource {
    /// The number DescribeConfigs answers with.
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// One key as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    /// `None`: null, or sensitive.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub read_only: bool,
    pub sensitive: bool,
    /// `None`: a key nobody knows (type 0).
    pub kind: Option<ConfigType>,
    /// Most significant first; its first is where the value comes from.
    pub synonyms: Vec<ConfigSynonym>,
    pub documentation: &'static str,
}

impl ConfigEntry {
    /// What version 0 reports instead of a source.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }

    /// The number of the type; 0 when unknown.
    pub fn type_code(&self) -> i8 {
        self.kind.map_or(0, ConfigType::code)
    }
}

/// One place that sets a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: String,
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// Everything a broker's configuration consists of.
#[derive(Debug, Clone, Copy)]
pub struct ConfigLayers<'a> {
    pub broker: &'a BrokerConfig,
    /// Dynamic settings of this broker.
    pub dynamic_broker: &'a ConfigMap,
    /// Dynamic settings of all brokers.
    pub dynamic_default: &'a ConfigMap,
}

impl ConfigLayers<'_> {
    /// Dynamic settings, this broker's over those of all.
    pub fn dynamic(&self) -> ConfigMap {
        let mut merged = self.dynamic_default.clone();
        merged.extend(self.dynamic_broker.iter().map(|(key, value)| (key.clone(), value.clone())));
        merged
    }

    /// A whole number set while running, this broker's before that of all.
    pub(super) fn whole(&self, key: &str) -> Option<i64> {
        broker_keys().get(key)?.parse(self.set_text(key)?).ok().as_ref().and_then(Value::whole)
    }

    /// The text of a setting made while running.
    pub(super) fn set_text(&self, key: &str) -> Option<&str> {
        let own = self.dynamic_broker.get(key);
        own.or_else(|| self.dynamic_default.get(key)).map(String::as_str)
    }

    /// The places that set `name` or one of its synonyms; those that rank before `name` itself but bear
    /// another name are left out, as in Kafka.
    fn synonyms(&self, name: &str, sensitive: bool) -> Vec<ConfigSynonym> {
        let own = [name, key_of_listener(name).unwrap_or(name)];
        let names = match broker_keys().get(name) {
            Some(definition) if !definition.synonyms.is_empty() => definition.synonyms.as_slice(),
            _ if own[0] == own[1] => &own[..1],
            _ => &own,
        };
        let layer = |map: &ConfigMap, source| {
            let of = |name: &&str| map.get(*name).map(|value| synonym(name, value, source, sensitive));
            names.iter().filter_map(of).collect::<Vec<_>>()
        };
        let mut found = layer(self.dynamic_broker, ConfigSource::DynamicBroker);
        found.extend(layer(self.dynamic_default, ConfigSource::DynamicDefaultBroker));
        found.extend(layer(&self.broker.given, ConfigSource::StaticBroker));
        let defaults = names.iter().filter_map(|name| Some((name, broker_keys().get(name)?.default_text?)));
        found.extend(defaults.map(|(name, text)| synonym(name, text, ConfigSource::Default, sensitive)));
        found.into_iter().skip_while(|synonym| synonym.name != name).collect()
    }
}

fn synonym(name: &str, value: &str, source: ConfigSource, sensitive: bool) -> ConfigSynonym {
    ConfigSynonym { name: name.to_owned(), value: (!sensitive).then(|| value.to_owned()), source }
}

/// All keys of this broker, or those named. Our own keys are reported when they are set or named,
/// so that the full list is Kafka's.
pub fn describe_broker(layers: ConfigLayers<'_>, names: Option<&[String]>) -> Vec<ConfigEntry> {
    let dynamic = layers.dynamic();
    let wanted = Wanted::of(names);
    let named = broker_keys().iter().filter(|it| !it.internal && wanted.may_be(it.name));
    let known = named.map(|definition| {
        let set = dynamic.get(definition.name).and_then(|text| definition.parse(text).ok());
        let value = set.or_else(|| layers.broker.value(definition.name).cloned());
        broker_entry(definition, value, layers.synonyms(definition.name, definition.is_sensitive()))
    });
    let mut set = layers.broker.given.clone();
    set.extend(dynamic.clone());
    let others = set.iter().filter(|(key, _)| is_other(key) && wanted.may_be(key));
    let others = others.map(|(key, text)| other_entry(key, text, layers.synonyms(key, is_hidden(key))));
    known.chain(others).filter(|entry| wanted.is_wanted(entry)).collect()
}

/// Whether a key is described only where it is set: one of a single listener, an internal one,
/// or one that nobody knows.
fn is_other(key: &str) -> bool {
    broker_keys().get(key).is_none_or(|definition| definition.internal)
}

/// What an unknown key may hold is not shown.
fn is_hidden(key: &str) -> bool {
    definition_of(key).is_none_or(Definition::is_sensitive)
}

fn other_entry(key: &str, text: &str, synonyms: Vec<ConfigSynonym>) -> ConfigEntry {
    let sensitive = is_hidden(key);
    ConfigEntry {
        name: key.to_owned(),
        value: (!sensitive).then(|| text.to_owned()),
        source: synonyms.first().map_or(ConfigSource::Default, |first| first.source),
        read_only: true,
        sensitive,
        kind: definition_of(key).map(|definition| definition.kind),
        synonyms,
        documentation: "",
    }
}

fn broker_entry(definition: &Definition, value: Option<Value>, synonyms: Vec<ConfigSynonym>) -> ConfigEntry {
    ConfigEntry {
        name: definition.name.to_owned(),
        value: value.and_then(|value| value.describe()),
        source: synonyms.first().map_or(ConfigSource::Default, |first| first.source),
        read_only: definition.is_read_only(),
        sensitive: definition.is_sensitive(),
        kind: Some(definition.kind),
        synonyms,
        documentation: definition.documentation,
    }
}

/// Text of a broker key in the unit of its topic key; text that is no number stays as it is.
fn in_unit_of_topic(broker_key: &str, text: &str) -> String {
    match (factor_to_topic_unit(broker_key), text.trim().parse::<i64>()) {
        (factor, Ok(number)) if factor > 1 => number.saturating_mul(factor).to_string(),
        _ => text.to_owned(),
    }
}

/// The dynamic settings of all brokers (the broker resource without a name).
pub fn describe_broker_default(layers: ConfigLayers<'_>, names: Option<&[String]>) -> Vec<ConfigEntry> {
    let wanted = Wanted::of(names);
    let named = layers.dynamic_default.iter().filter(|(key, _)| wanted.may_be(key));
    let entries = named.map(|(key, text)| {
        let mut synonyms = layers.synonyms(key, is_hidden(key));
        synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
        match broker_keys().get(key) {
            Some(definition) if !definition.internal => {
                broker_entry(definition, definition.parse(text).ok(), synonyms)
            }
            _ => other_entry(key, text, synonyms),
        }
    });
    entries.filter(|entry| wanted.is_wanted(entry)).collect()
}

/// All keys of a topic with these settings, or those named.
pub fn describe_topic(
    layers: ConfigLayers<'_>,
    overrides: &ConfigMap,
    names: Option<&[String]>,
) -> Vec<ConfigEntry> {
    describe_owner(layers, topic_keys(), overrides, ConfigSource::DynamicTopic, names)
}

/// All keys of a group with these settings, or those named. A group need not be there to have settings.
pub fn describe_group(
    layers: ConfigLayers<'_>,
    overrides: &ConfigMap,
    names: Option<&[String]>,
) -> Vec<ConfigEntry> {
    let mut entries = describe_owner(layers, group_keys(), overrides, ConfigSource::Group, names);
    // A key that brokers do not have shows its default as a place of its own.
    for entry in &mut entries {
        let definition = group_keys().get(&entry.name).filter(|definition| definition.synonyms.is_empty());
        if let Some(default) = definition.and_then(|definition| definition.default_text) {
            entry.synonyms.push(synonym(&entry.name, default, ConfigSource::Default, entry.sensitive));
        }
    }
    entries
}

/// All keys of a subscription to metrics of clients, or those named. It need not be there.
pub fn describe_client_metrics(
    layers: ConfigLayers<'_>,
    overrides: &ConfigMap,
    names: Option<&[String]>,
) -> Vec<ConfigEntry> {
    describe_owner(layers, client_metrics_keys(), overrides, ConfigSource::ClientMetrics, names)
}

/// The keys of a section as one topic, group or subscription has them:
/// its own settings before those of brokers.
fn describe_owner(
    layers: ConfigLayers<'_>,
    keys: &'static Section,
    overrides: &ConfigMap,
    own: ConfigSource,
    names: Option<&[String]>,
) -> Vec<ConfigEntry> {
    let dynamic = layers.dynamic();
    let wanted = Wanted::of(names);
    let named = described(keys, overrides).filter(|it| wanted.may_be(it.name));
    let entries = named.map(|definition| {
        let set = overrides.get(definition.name).and_then(|text| definition.parse(text).ok());
        let is_set = set.is_some();
        let value = set
            .or_else(|| inherited(layers.broker, &dynamic, definition))
            .or_else(|| definition.default.clone())
            .and_then(|value| value.describe());
        let base = definition.synonyms.first();
        let mut synonyms = base.map_or_else(Vec::new, |base| layers.synonyms(base, false));
        if is_set {
            let set = ConfigSynonym { name: definition.name.to_owned(), value: value.clone(), source: own };
            synonyms.insert(0, set);
        }
        let source = synonyms.first().map_or(ConfigSource::Default, |first| first.source);
        ConfigEntry {
            name: definition.name.to_owned(),
            value,
            source,
            read_only: false,
            sensitive: definition.is_sensitive(),
            kind: Some(definition.kind),
            synonyms,
            documentation: definition.documentation,
        }
    });
    entries.filter(|entry| wanted.is_wanted(entry)).collect()
}

/// What CreateTopics answers with: the settings of a topic that was just created, sorted by name, each with
/// the first place that sets it. Kafka's controller finds sources by another rule than DescribeConfigs
/// (`KafkaConfigSchema.resolveEffectiveTopicConfigs`): every synonym counts, and values are as given.
pub fn describe_created_topic(layers: ConfigLayers<'_>, overrides: &ConfigMap) -> Vec<ConfigEntry> {
    let places = [
        (layers.dynamic_broker, ConfigSource::DynamicBroker),
        (layers.dynamic_default, ConfigSource::DynamicDefaultBroker),
        (&layers.broker.given, ConfigSource::StaticBroker),
    ];
    let entries = described(topic_keys(), overrides).map(|definition| {
        let own = overrides.get(definition.name).map(|text| (text.clone(), ConfigSource::DynamicTopic));
        let inherited = || {
            let names = broker_synonyms(definition);
            let set = |map: &ConfigMap| {
                names.iter().find_map(|name| map.get(*name).map(|text| in_unit_of_topic(name, text)))
            };
            places.iter().find_map(|(map, source)| set(map).map(|text| (text, *source)))
        };
        let default = || (definition.default_text.unwrap_or_default().to_owned(), ConfigSource::Default);
        let (value, source) = own.or_else(inherited).unwrap_or_else(default);
        ConfigEntry {
            name: definition.name.to_owned(),
            value: (!definition.is_sensitive()).then_some(value),
            source,
            read_only: false,
            sensitive: definition.is_sensitive(),
            kind: Some(definition.kind),
            synonyms: Vec::new(),
            documentation: definition.documentation,
        }
    });
    let mut entries: Vec<_> = entries.filter(|entry| Wanted::All.is_wanted(entry)).collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    entries
}

/// Internal keys where they are set, before the others as in Kafka.
fn described(keys: &'static Section, overrides: &ConfigMap) -> impl Iterator<Item = &'static Definition> {
    let is_set = |definition: &&Definition| overrides.contains_key(definition.name);
    let internal = keys.iter().filter(|definition| definition.internal).filter(is_set);
    internal.chain(keys.iter().filter(|definition| !definition.internal))
}

/// Which keys are asked for: looked up before anything is made of the others,
/// since a request may name a resource again and again.
enum Wanted<'a> {
    /// Kafka's, and our own where they are set.
    All,
    Named(BTreeSet<&'a str>),
}

impl<'a> Wanted<'a> {
    fn of(names: Option<&'a [String]>) -> Wanted<'a> {
        match names {
            Some(names) => Wanted::Named(names.iter().map(String::as_str).collect()),
            None => Wanted::All,
        }
    }

    /// Whether a key may be wanted, whatever it is set to.
    fn may_be(&self, key: &str) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Named(names) => names.contains(key),
        }
    }

    fn is_wanted(&self, entry: &ConfigEntry) -> bool {
        match self {
            Wanted::All => {
                !entry.name.starts_with(crate::base::config::definition::OWN_PREFIX) || !entry.is_default()
            }
            Wanted::Named(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::{LoadedConfig, Properties, UnknownKeys};

    /// name|value|source|read only|sensitive|type|synonyms, as recorded from Apache Kafka 4.3.1.
    fn line(entry: &ConfigEntry) -> String {
        let synonyms: Vec<_> = entry.synonyms.iter().map(synonym_text).collect();
        format!(
            "{}|{}|{}|{}|{}|{}|{}",
            entry.name,
            entry.value.as_deref().unwrap_or("null"),
            entry.source.code(),
            entry.read_only,
            entry.sensitive,
            entry.type_code(),
            synonyms.join("; ")
        )
    }

    fn synonym_text(synonym: &ConfigSynonym) -> String {
        format!("{}={}@{}", synonym.name, synonym.value.as_deref().unwrap_or("null"), synonym.source.code())
    }

    struct Layers {
        broker: BrokerConfig,
        dynamic_broker: ConfigMap,
        dynamic_default: ConfigMap,
    }

    impl Layers {
        fn new(text: &str) -> Layers {
            let properties = Properties::parse(text).unwrap();
            let broker = LoadedConfig::load(&properties, UnknownKeys::Warn).unwrap().broker;
            let dynamic_default = [("min.insync.replicas".to_owned(), "1".to_owned())].into();
            Layers { broker, dynamic_broker: ConfigMap::new(), dynamic_default }
        }

        fn get(&self) -> ConfigLayers<'_> {
            ConfigLayers {
                broker: &self.broker,
                dynamic_broker: &self.dynamic_broker,
                dynamic_default: &self.dynamic_default,
            }
        }
    }

    fn check(entries: &[ConfigEntry], expected: &[&str]) {
        for expected in expected {
            let name = expected.split('|').next().unwrap();
            let entry = entries.iter().find(|entry| entry.name == name).unwrap();
            assert_eq!(line(entry), *expected);
        }
    }

    #[test]
    fn a_broker_is_described_as_kafka_does() {
        let layers = Layers::new("node.id=1\nlog.retention.hours=168\nssl.key.password=x\nno.such=1");
        let entries = describe_broker(layers.get(), None);
        check(
            &entries,
            &[
                "log.cleaner.min.compaction.lag.ms|0|5|false|false|5|log.cleaner.min.compaction.lag.ms=0@5",
                "min.insync.replicas|1|3|false|false|3|min.insync.replicas=1@3; min.insync.replicas=1@5",
                "log.retention.hours|168|4|true|false|3|log.retention.hours=168@4; log.retention.hours=168@5",
                "log.retention.ms|null|5|false|false|5|",
                "node.id|1|4|true|false|3|node.id=1@4",
                "broker.id|1|4|true|false|3|broker.id=1@4; broker.id=-1@5",
                "ssl.key.password|null|4|false|true|9|ssl.key.password=null@4",
                "no.such|null|4|true|true|0|no.such=null@4",
                "log.cleaner.io.max.bytes.per.second|1.7976931348623157E308|5|false|false|6|\
             log.cleaner.io.max.bytes.per.second=1.7976931348623157E308@5",
            ],
        );
        assert_eq!(entries.first().unwrap().name, "log.cleaner.min.compaction.lag.ms");
        assert_eq!(entries.len(), 340 + 1, "Kafka describes 340 keys; one more is unknown");
        let default = describe_broker_default(layers.get(), None);
        assert_eq!(
            default.iter().map(line).collect::<Vec<_>>(),
            ["min.insync.replicas|1|3|false|false|3|min.insync.replicas=1@3"]
        );
    }

    #[test]
    fn a_topic_is_described_as_kafka_does() {
        let layers = Layers::new("node.id=1\nlog.retention.hours=168");
        let set: ConfigMap =
            [("cleanup.policy", "delete,delete"), ("segment.bytes", " 2097152 "), ("preallocate", "True")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        let entries = describe_topic(layers.get(), &set, None);
        check(
            &entries,
            &[
                "compression.type|producer|5|false|false|2|compression.type=producer@5",
                "min.insync.replicas|1|3|false|false|3|min.insync.replicas=1@3; min.insync.replicas=1@5",
                "cleanup.policy|delete|1|false|false|7|cleanup.policy=delete@1; log.cleanup.policy=delete@5",
                "segment.bytes|2097152|1|false|false|3|segment.bytes=2097152@1; log.segment.bytes=1073741824@5",
                "preallocate|true|1|false|false|1|preallocate=true@1; log.preallocate=false@5",
                "retention.ms|604800000|5|false|false|5|",
                "segment.jitter.ms|0|5|false|false|5|",
            ],
        );
        assert_eq!(entries.len(), 33);
        let created = describe_created_topic(layers.get(), &set);
        check(
            &created,
            &[
                "cleanup.policy|delete,delete|1|false|false|7|",
                "segment.bytes| 2097152 |1|false|false|3|",
                "retention.ms|604800000|4|false|false|5|",
                "min.insync.replicas|1|3|false|false|3|",
                "segment.ms|604800000|5|false|false|5|",
            ],
        );
        assert!(created.is_sorted_by(|one, other| one.name < other.name));
    }

    #[test]
    fn a_group_is_described_as_kafka_does() {
        let layers = Layers::new("node.id=1\ngroup.consumer.session.timeout.ms=50000");
        let set: ConfigMap =
            [("consumer.heartbeat.interval.ms", "6000"), ("share.isolation.level", "read_committed")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        let entries = describe_group(layers.get(), &set, None);
        check(
            &entries,
            &[
                "consumer.heartbeat.interval.ms|6000|8|false|false|3|consumer.heartbeat.interval.ms=6000@8; \
                 group.consumer.heartbeat.interval.ms=5000@5",
                "consumer.session.timeout.ms|50000|4|false|false|3|group.consumer.session.timeout.ms=50000@4; \
                 group.consumer.session.timeout.ms=45000@5",
                "share.isolation.level|read_committed|8|false|false|2|share.isolation.level=read_committed@8; \
                 share.isolation.level=read_uncommitted@5",
                "share.auto.offset.reset|latest|5|false|false|2|share.auto.offset.reset=latest@5",
            ],
        );
        assert_eq!(entries.len(), 17);
    }

    #[test]
    fn our_own_keys_appear_when_set_or_asked_for() {
        let has = |entries: &[ConfigEntry]| entries.iter().any(|entry| entry.name == "millrace.durability");
        let (plain, set) = (Layers::new(""), Layers::new("millrace.durability=process"));
        let named = Some(["millrace.durability".to_owned()].to_vec());
        assert!(!has(&describe_broker(plain.get(), None)));
        assert!(has(&describe_broker(plain.get(), named.as_deref())));
        assert!(has(&describe_broker(set.get(), None)));
        assert!(has(&describe_topic(set.get(), &ConfigMap::new(), None)));
        assert!(!has(&describe_topic(plain.get(), &ConfigMap::new(), None)));
    }
}
