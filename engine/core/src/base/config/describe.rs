//! What DescribeConfigs reports: values, their sources and their synonyms, as Kafka 4.3.1 does (`ConfigHelper`).

use super::definition::{ConfigType, Definition};
use super::registry::{broker_keys, topic_keys};
use super::topic::inherited;
use super::value::Value;
use super::{BrokerConfig, ConfigMap};

/// Where a value comes from; the number of each is the one DescribeConfigs answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    DynamicTopic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
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

    /// The places that set `name` or one of its synonyms; those that rank before `name` itself but bear another name
    /// are left out, as in Kafka.
    fn synonyms(&self, name: &str, sensitive: bool) -> Vec<ConfigSynonym> {
        let own = [name];
        let names = match broker_keys().get(name) {
            Some(definition) if !definition.synonyms.is_empty() => definition.synonyms.as_slice(),
            _ => own.as_slice(),
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

/// All keys of this broker, or those named. Our own keys are reported when they are set or named, so that the full
/// list is Kafka's.
pub fn describe_broker(layers: ConfigLayers<'_>, names: Option<&[String]>) -> Vec<ConfigEntry> {
    let dynamic = layers.dynamic();
    let known = broker_keys().iter().filter(|definition| !definition.internal).map(|definition| {
        let set = dynamic.get(definition.name).and_then(|text| definition.parse(text).ok());
        let value = set.or_else(|| layers.broker.value(definition.name).cloned());
        broker_entry(definition, value, layers.synonyms(definition.name, definition.is_sensitive()))
    });
    let unknown = layers.broker.given.keys().filter(|key| broker_keys().get(key).is_none());
    let unknown = unknown.map(|key| ConfigEntry {
        name: key.clone(),
        value: None,
        source: ConfigSource::StaticBroker,
        read_only: true,
        sensitive: true,
        kind: None,
        synonyms: layers.synonyms(key, true),
        documentation: "",
    });
    known.chain(unknown).filter(|entry| is_wanted(entry, names)).collect()
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

/// The dynamic settings of all brokers (the broker resource without a name).
pub fn describe_broker_default(layers: ConfigLayers<'_>, names: Option<&[String]>) -> Vec<ConfigEntry> {
    let entries = layers.dynamic_default.iter().filter_map(|(key, text)| {
        let definition = broker_keys().get(key)?;
        let mut synonyms = layers.synonyms(key, definition.is_sensitive());
        synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
        Some(broker_entry(definition, definition.parse(text).ok(), synonyms))
    });
    entries.filter(|entry| is_wanted(entry, names)).collect()
}

/// All keys of a topic with these settings, or those named.
pub fn describe_topic(
    layers: ConfigLayers<'_>,
    overrides: &ConfigMap,
    names: Option<&[String]>,
) -> Vec<ConfigEntry> {
    let dynamic = layers.dynamic();
    let entries = topic_keys().iter().filter(|definition| !definition.internal).map(|definition| {
        let set = overrides.get(definition.name).and_then(|text| definition.parse(text).ok());
        let is_set = set.is_some();
        let value = set
            .or_else(|| inherited(layers.broker, &dynamic, definition))
            .or_else(|| definition.default.clone())
            .and_then(|value| value.describe());
        let base = definition.synonyms.first();
        let mut synonyms = base.map_or_else(Vec::new, |base| layers.synonyms(base, false));
        if is_set {
            let own = ConfigSynonym {
                name: definition.name.to_owned(),
                value: value.clone(),
                source: ConfigSource::DynamicTopic,
            };
            synonyms.insert(0, own);
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
    entries.filter(|entry| is_wanted(entry, names)).collect()
}

fn is_wanted(entry: &ConfigEntry, names: Option<&[String]>) -> bool {
    match names {
        Some(names) => names.contains(&entry.name),
        None => !entry.name.starts_with(super::definition::OWN_PREFIX) || !entry.is_default(),
    }
}
