//! The registry: every key of brokers, topics, groups and client metrics,
//! read once from the tables beside this file.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::definition::{Definition, Effect, Importance, UpdateMode};
use super::validator::Validator;
use super::value::{ConfigType, Value, parse_size};

/// Facts about Apache Kafka 4.3.1's keys, in the order in which it describes them.
const KAFKA: &str = include_str!("kafka.txt");
/// Our own keys.
const OWN: &str = include_str!("millrace.txt");

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| match Registry::read(&[KAFKA, OWN]) {
    Ok(registry) => registry,
    Err(fault) => panic!("the config tables are part of the program: {fault}"),
});

/// The keys of brokers, of topics, of groups, or of client metrics.
#[derive(Debug, Default)]
pub struct Section {
    definitions: Vec<Definition>,
    by_name: FxHashMap<&'static str, usize>,
}

impl Section {
    /// What is known of `name`.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.by_name.get(name).and_then(|&at| self.definitions.get(at))
    }

    /// All keys, in the order of DescribeConfigs, ours last.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.iter()
    }

    fn push(&mut self, definition: Definition) -> Result<(), String> {
        let at = self.definitions.len();
        if self.by_name.insert(definition.name, at).is_some() {
            return Err(format!("{} stands twice", definition.name));
        }
        self.definitions.push(definition);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Registry {
    broker: Section,
    topic: Section,
    group: Section,
    client_metrics: Section,
}

/// The keys of a broker's own configuration.
pub fn broker_keys() -> &'static Section {
    &REGISTRY.broker
}

/// The keys of topics.
pub fn topic_keys() -> &'static Section {
    &REGISTRY.topic
}

/// The keys of single groups.
pub fn group_keys() -> &'static Section {
    &REGISTRY.group
}

/// The keys of subscriptions to metrics of clients.
pub fn client_metrics_keys() -> &'static Section {
    &REGISTRY.client_metrics
}

/// The definition behind a key of brokers, also behind one of a single listener.
pub(super) fn definition_of(key: &str) -> Option<&'static Definition> {
    broker_keys().get(key_of_listener(key).unwrap_or(key))
}

/// What stands behind the prefix of a single listener (`listener.name.NAME.KEY`).
pub(super) fn key_of_listener(key: &str) -> Option<&str> {
    key.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.')).map(|(_, key)| key)
}

impl Registry {
    fn read(tables: &[&'static str]) -> Result<Registry, String> {
        let mut registry = Registry::default();
        for table in tables {
            let mut section = &mut registry.broker;
            for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                match line {
                    "[broker]" => section = &mut registry.broker,
                    "[topic]" => section = &mut registry.topic,
                    "[group]" => section = &mut registry.group,
                    "[client metrics]" => section = &mut registry.client_metrics,
                    _ => section.push(read_line(line).ok_or_else(|| format!("cannot read: {line}"))?)?,
                }
            }
        }
        Ok(registry)
    }
}

/// name | type | default | validator | importance | update | synonyms | effect | documentation
fn read_line(line: &'static str) -> Option<Definition> {
    let mut fields = line.split('|').map(str::trim);
    let name = fields.next()?;
    let kind = read_type(fields.next()?)?;
    let default_text = fields.next()?;
    let validator = read_validator(fields.next()?)?;
    let importance = match fields.next()? {
        "high" => Importance::High,
        "medium" => Importance::Medium,
        "low" => Importance::Low,
        _ => return None,
    };
    let update = match fields.next()? {
        "read-only" => UpdateMode::ReadOnly,
        "per-broker" => UpdateMode::PerBroker,
        "cluster-wide" => UpdateMode::ClusterWide,
        "topic" => UpdateMode::Topic,
        "group" => UpdateMode::Group,
        "client-metrics" => UpdateMode::ClientMetrics,
        _ => return None,
    };
    let synonyms = fields.next()?.split(' ').filter(|name| *name != "-").collect();
    let effect = match fields.next()? {
        "acts" => Effect::Acts,
        "none" => Effect::None,
        text => Effect::InPart(text.strip_prefix("part: ")?),
    };
    let documentation = fields.next()?;
    let (default_text, required) = match default_text {
        "required" => (None, true),
        "null" => (None, false),
        "\"\"" => (Some(""), false),
        text => (Some(text), false),
    };
    let plain = name.strip_suffix('*').unwrap_or(name);
    let default = match default_text {
        Some(text) => Some(Value::parse(plain, kind, text).ok()?),
        None => None,
    };
    Some(Definition {
        name: plain,
        kind,
        default,
        default_text,
        required,
        validator,
        importance,
        update,
        synonyms,
        effect,
        documentation,
        internal: plain.len() < name.len(),
    })
}

fn read_type(text: &str) -> Option<ConfigType> {
    Some(match text {
        "boolean" => ConfigType::Boolean,
        "string" => ConfigType::String,
        "int" => ConfigType::Int,
        "short" => ConfigType::Short,
        "long" => ConfigType::Long,
        "double" => ConfigType::Double,
        "list" => ConfigType::List,
        "class" => ConfigType::Class,
        "password" => ConfigType::Password,
        _ => return None,
    })
}

fn read_validator(text: &'static str) -> Option<Validator> {
    let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    if let Some((low, high)) = text.split_once("..") {
        return Some(match high {
            "9 or -1" => Validator::GzipLevel,
            "" => Validator::Range { low, high: None },
            _ => Validator::Range { low, high: Some(high) },
        });
    }
    if let Some(allowed) = text.strip_prefix("one ") {
        return Some(Validator::OneOf(words(allowed)));
    }
    if let Some(allowed) = text.strip_prefix("any-case ") {
        return Some(Validator::OneOfAnyCase(words(allowed)));
    }
    if let Some(rest) = text.strip_prefix("list") {
        let (flags, allowed) = rest.split_once(": ").unwrap_or((rest, ""));
        let allowed = if allowed.is_empty() { Vec::new() } else { words(allowed) };
        return Some(Validator::Items { allowed, filled: flags.contains("filled") });
    }
    if let Some(least) = text.strip_prefix("size ") {
        return Some(Validator::Size(parse_size(least)?));
    }
    match text {
        "any" | "present" => Some(Validator::Any),
        "filled" => Some(Validator::Filled),
        "replicas" => Some(Validator::Replicas),
        "reset" => Some(Validator::OffsetReset),
        "address" => Some(Validator::Address),
        _ => None,
    }
}
