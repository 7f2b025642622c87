//! Subscriptions to metrics of clients (KIP-714): which metrics, how often, and of which clients.

use std::collections::BTreeSet;

use regex::Regex;

use super::definition::Definition;
use super::registry::client_metrics_keys;
use super::value::{ConfigError, ConfigMap, Value};
use crate::base::pattern::whole_name;

const METRICS: &str = "metrics";
const INTERVAL: &str = "interval.ms";
const MATCH: &str = "match";

/// Every metric is wanted.
const ALL_METRICS: &str = "*";

/// How often clients push of whom nothing is wanted, and the longest pause that a subscription brings about:
/// the shortest of all that match counts, and this one. Kafka's constant.
const USUAL_INTERVAL_MS: i32 = 300_000;

const INTERVALS_MS: std::ops::RangeInclusive<i64> = 100..=3_600_000;

/// A list may be so long. The names of all metrics of a client fit several times.
const LIST_LENGTH_MAX: usize = 32 * 1024;

/// A pattern may compile to this much, and what it remembers while it matches.
/// Clients' names and addresses are short.
const COMPILED_BYTES_MAX: usize = 64 * 1024;
const MATCHING_BYTES_MAX: usize = 32 * 1024;

/// What a client is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientAttribute {
    InstanceId,
    Id,
    SoftwareName,
    SoftwareVersion,
    SourceAddress,
    SourcePort,
}

impl ClientAttribute {
    const ALL: [ClientAttribute; 6] = [
        ClientAttribute::InstanceId,
        ClientAttribute::Id,
        ClientAttribute::SoftwareName,
        ClientAttribute::SoftwareVersion,
        ClientAttribute::SourceAddress,
        ClientAttribute::SourcePort,
    ];

    fn name(self) -> &'static str {
        match self {
            ClientAttribute::InstanceId => "client_instance_id",
            ClientAttribute::Id => "client_id",
            ClientAttribute::SoftwareName => "client_software_name",
            ClientAttribute::SoftwareVersion => "client_software_version",
            ClientAttribute::SourceAddress => "client_source_address",
            ClientAttribute::SourcePort => "client_source_port",
        }
    }

    fn from_name(name: &str) -> Option<ClientAttribute> {
        ClientAttribute::ALL.into_iter().find(|attribute| attribute.name() == name)
    }
}

/// Why the settings of a subscription are refused, as Kafka tells the two apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMetricsFault {
    Request(String),
    Config(ConfigError),
}

impl From<ConfigError> for ClientMetricsFault {
    fn from(error: ConfigError) -> ClientMetricsFault {
        ClientMetricsFault::Config(error)
    }
}

/// One subscription. An empty pattern matches every client.
#[derive(Debug, Clone)]
pub struct ClientMetricsSubscription {
    metrics: Vec<String>,
    interval_ms: i32,
    /// A client matches if all of these do.
    patterns: Vec<(ClientAttribute, Regex)>,
}

impl ClientMetricsSubscription {
    /// Reads the settings as Kafka's controller does, with its messages.
    pub fn parse(settings: &ConfigMap) -> Result<ClientMetricsSubscription, ClientMetricsFault> {
        for (key, value) in settings {
            if client_metrics_keys().get(key).is_none() {
                return Err(ClientMetricsFault::Request(format!(
                    "Unknown client metrics configuration: {key}"
                )));
            }
            if value.len() > LIST_LENGTH_MAX {
                return Err(ConfigError::new(
                    key,
                    format!("Invalid value for configuration {key}: longer than {LIST_LENGTH_MAX} bytes"),
                )
                .into());
            }
        }
        let (metrics, interval) = (list(METRICS, settings)?, value(INTERVAL, settings)?);
        let matching = list(MATCH, settings)?;
        let interval_ms = interval.whole().unwrap_or_default();
        if !INTERVALS_MS.contains(&interval_ms) {
            return Err(ClientMetricsFault::Request(format!(
                "Invalid value {interval_ms} for {INTERVAL}, interval must be between 100 and 3600000 (1 hour)"
            )));
        }
        let interval_ms = i32::try_from(interval_ms).unwrap_or(USUAL_INTERVAL_MS);
        Ok(ClientMetricsSubscription { metrics, interval_ms, patterns: patterns(&matching)? })
    }

    /// How many patterns it has.
    pub fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// The same of settings that were checked before, of which none is compiled.
    pub fn count_patterns(settings: &ConfigMap) -> usize {
        let items = list(MATCH, settings).unwrap_or_default();
        let attributes = items.iter().filter_map(|item| Some(named_pattern(item)?.0));
        attributes.collect::<BTreeSet<_>>().len()
    }

    fn matches<'a>(&self, client: &impl Fn(ClientAttribute) -> Option<&'a str>) -> bool {
        let matches = |(attribute, pattern): &(ClientAttribute, Regex)| {
            client(*attribute).is_some_and(|known| pattern.is_match(known))
        };
        self.patterns.iter().all(matches)
    }
}

fn value(key: &str, settings: &ConfigMap) -> Result<Value, ConfigError> {
    let definition: &'static Definition = match client_metrics_keys().get(key) {
        Some(definition) => definition,
        None => panic!("{key} is no key of client metrics"),
    };
    match (settings.get(key), &definition.default) {
        (Some(text), _) => definition.parse(text),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => panic!("{key} has a default"),
    }
}

fn list(key: &str, settings: &ConfigMap) -> Result<Vec<String>, ConfigError> {
    match value(key, settings)? {
        Value::List(items) => Ok(items),
        _ => panic!("{key} is a list"),
    }
}

/// One `NAME=PATTERN`, as Java splits it: what is empty at the end does not count.
fn named_pattern(item: &str) -> Option<(ClientAttribute, &str)> {
    let (name, pattern) = item.trim_end_matches('=').split_once('=')?;
    let attribute = ClientAttribute::from_name(name.trim())?;
    (!pattern.contains('=')).then(|| (attribute, pattern.trim()))
}

/// `NAME=PATTERN` each; of two for the same name the last counts.
fn patterns(items: &[String]) -> Result<Vec<(ClientAttribute, Regex)>, ConfigError> {
    let mut patterns: Vec<(ClientAttribute, Regex)> = Vec::new();
    for item in items {
        let illegal = || ConfigError::new(MATCH, format!("Illegal client matching pattern: {item}"));
        let (attribute, pattern) = named_pattern(item).ok_or_else(illegal)?;
        let pattern = whole_name(pattern, |builder| {
            builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(MATCHING_BYTES_MAX)
        });
        let pattern = pattern.map_err(|_| illegal())?;
        patterns.retain(|(known, _)| *known != attribute);
        patterns.push((attribute, pattern));
    }
    Ok(patterns)
}

/// What is wanted of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedMetrics {
    /// Beginnings of names, sorted; one asterisk: all.
    pub metrics: Vec<String>,
    pub interval_ms: i32,
}

impl WantedMetrics {
    /// Of all subscriptions that match a client: all metrics, at the shortest interval.
    /// No pattern matches what is not known.
    pub fn of<'a, 's>(
        subscriptions: impl IntoIterator<Item = &'s ClientMetricsSubscription>,
        client: impl Fn(ClientAttribute) -> Option<&'a str>,
    ) -> WantedMetrics {
        let mut metrics: BTreeSet<&str> = BTreeSet::new();
        let mut interval_ms = USUAL_INTERVAL_MS;
        for subscription in subscriptions {
            if subscription.matches(&client) {
                metrics.extend(subscription.metrics.iter().map(String::as_str));
                interval_ms = interval_ms.min(subscription.interval_ms);
            }
        }
        if metrics.contains(ALL_METRICS) {
            metrics = BTreeSet::from([ALL_METRICS]);
        }
        WantedMetrics { metrics: metrics.into_iter().map(str::to_owned).collect(), interval_ms }
    }

    /// The number by which a client and the broker know that they mean the same: it changes with what is
    /// wanted. Kafka's own, where at most one metric is wanted; it has more in the order of a hash set.
    pub fn subscription_id(&self, instance_id: u128) -> i32 {
        let text = format!("[{}]{}", self.metrics.join(", "), self.interval_ms);
        let halves = (instance_id >> 64) as u64 ^ instance_id as u64;
        (crc32c::crc32c(text.as_bytes()) ^ (halves >> 32) as u32 ^ halves as u32) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> ConfigMap {
        let pairs = text.split(' ').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Settings, and the message of Apache Kafka 4.3.1.
    const ANSWERS: &str = "
        metrics=a,b interval.ms=100 match=client_id=x | ok
        metrics= | ok
        interval.ms=3600000 | ok
        interval.ms=99 | Request Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)
        interval.ms=3600001 | Request Invalid value 3600001 for interval.ms, interval must be between 100 and 3600000 (1 hour)
        interval.ms=x | Config Invalid value x for configuration interval.ms: Not a number of type INT
        metrics=a,,b | Config Configuration 'metrics' values must not be empty.
        interval=1 | Request Unknown client metrics configuration: interval
        match=client_id=a,client_software_name=b | ok
        match=client_id=a,client_id=b | ok
        match=client_id=a= | ok
        match=client_id= | Config Illegal client matching pattern: client_id=
        match=client_id | Config Illegal client matching pattern: client_id
        match==a | Config Illegal client matching pattern: =a
        match=client_id=a=b | Config Illegal client matching pattern: client_id=a=b
        match=client_id==a | Config Illegal client matching pattern: client_id==a
        match=client_rack=a | Config Illegal client matching pattern: client_rack=a
        match=client_id=[ | Config Illegal client matching pattern: client_id=[
        match=client_id=a) | Config Illegal client matching pattern: client_id=a)
        match=client_id=* | Config Illegal client matching pattern: client_id=*
        match=client_id=a, | Config Configuration 'match' values must not be empty.";

    #[test]
    fn settings_are_read_and_refused_as_kafka_does() {
        for line in ANSWERS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (given, expected) = line.rsplit_once(" | ").unwrap();
            let ours = match ClientMetricsSubscription::parse(&settings(given)) {
                Ok(_) => "ok".to_owned(),
                Err(ClientMetricsFault::Request(message)) => format!("Request {message}"),
                Err(ClientMetricsFault::Config(error)) => format!("Config {error}"),
            };
            assert_eq!(ours, expected, "{line}");
        }
    }

    #[test]
    fn patterns_are_counted_as_they_are_read() {
        for line in ANSWERS.lines().filter_map(|line| line.trim().strip_suffix(" | ok")) {
            let settings = settings(line);
            let read = ClientMetricsSubscription::parse(&settings).unwrap();
            assert_eq!(ClientMetricsSubscription::count_patterns(&settings), read.patterns(), "{line}");
        }
    }

    #[test]
    fn no_list_and_no_pattern_is_boundless() {
        for text in [
            format!("metrics={}", "a".repeat(LIST_LENGTH_MAX + 1)),
            format!("match=client_id={}", "a".repeat(LIST_LENGTH_MAX)),
            "match=client_id=((a{99}){99}){99}".to_owned(),
        ] {
            let refused = ClientMetricsSubscription::parse(&settings(&text)).unwrap_err();
            assert!(matches!(refused, ClientMetricsFault::Config(_)), "{text}");
        }
    }

    /// Subscriptions, one a line, and what is wanted of a client `c-1` of the software `s` 1.2 at
    /// 127.0.0.1:5.
    const WANTED: &str = "
        | [] 300000
        metrics=a | [a] 300000
        metrics=a,b match=client_id=c-[0-9] interval.ms=1000 | [a, b] 1000
        metrics=a match=client_id=c | [] 300000
        metrics=a match=client_id=c|d interval.ms=100 | [] 300000
        metrics=a match=client_id=c-1,client_software_version=1[.]2 | [a] 300000
        metrics=a match=client_id=c-1,client_software_version=1[.]3 | [] 300000
        metrics=a match=client_id=d,client_id=c-1 | [a] 300000
        metrics=b interval.ms=3600000; metrics=a interval.ms=2000; metrics=c match=client_source_port=6 interval.ms=100 | [a, b] 2000
        metrics=a; metrics=b,* | [*] 300000
        interval.ms=500 match=client_source_address=127[.].*,client_instance_id=i,client_software_name=s | [] 500";

    #[test]
    fn all_that_match_a_client_count_together() {
        let client = |attribute| {
            Some(match attribute {
                ClientAttribute::InstanceId => "i",
                ClientAttribute::Id => "c-1",
                ClientAttribute::SoftwareName => "s",
                ClientAttribute::SoftwareVersion => "1.2",
                ClientAttribute::SourceAddress => "127.0.0.1",
                ClientAttribute::SourcePort => "5",
            })
        };
        for line in WANTED.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (given, expected) = line.rsplit_once('|').unwrap();
            let parse = |text: &str| ClientMetricsSubscription::parse(&settings(text.trim())).unwrap();
            let subscriptions: Vec<_> =
                given.split(';').filter(|text| !text.trim().is_empty()).map(parse).collect();
            let wanted = WantedMetrics::of(&subscriptions, client);
            let shown = format!("[{}] {}", wanted.metrics.join(", "), wanted.interval_ms);
            assert_eq!(shown, expected.trim(), "{line}");
        }
    }

    #[test]
    fn ids_are_those_of_kafka() {
        let wanted = |metrics: &[&str], interval_ms| WantedMetrics {
            metrics: metrics.iter().map(|name| (*name).to_owned()).collect(),
            interval_ms,
        };
        // Instances and numbers that Apache Kafka 4.3.1 answered with.
        assert_eq!(wanted(&[], 300_000).subscription_id(1), -725_132_321);
        assert_eq!(wanted(&[], 300_000).subscription_id(100), -725_132_358);
    }
}
