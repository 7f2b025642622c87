//! What is known of one config key: its type, default, limits, and whether it acts here.

use super::validator::Validator;
use super::value::{ConfigError, ConfigType, Value};

/// How much a key matters to most users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// When a key may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only by a restart.
    ReadOnly,
    /// While running, for one broker.
    PerBroker,
    /// While running, for one broker or for all.
    ClusterWide,
    /// A key of topics.
    Topic,
    /// A key of single groups.
    Group,
    /// A key of subscriptions to metrics of clients.
    ClientMetrics,
}

/// What setting a key changes in this broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Acts,
    /// Acts in part: the text says which part.
    InPart(&'static str),
    /// Checked and reported as Kafka does, and otherwise without effect.
    None,
}

/// One config key.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    pub kind: ConfigType,
    /// `None`: no default, or null (see `required`).
    pub default: Option<Value>,
    /// The default as text.
    pub default_text: Option<&'static str>,
    pub required: bool,
    pub validator: Validator,
    pub importance: Importance,
    pub update: UpdateMode,
    /// Broker keys: the keys DescribeConfigs lists together, in order of precedence (only where there are
    /// several). Keys of topics and groups: the broker key that gives the default, if any.
    pub synonyms: Vec<&'static str>,
    pub effect: Effect,
    pub documentation: &'static str,
    /// Kafka's internal keys are accepted, and described only where they are set.
    pub internal: bool,
}

impl Definition {
    /// Reads and checks a value as Kafka's `ConfigDef` does.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let value = Value::parse(self.name, self.kind, text)?;
        self.validator.check(self.name, value)
    }

    /// Password values are never shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// Whether it can change only by a restart.
    pub fn is_read_only(&self) -> bool {
        self.update == UpdateMode::ReadOnly
    }

    /// Whether the key is one of ours.
    pub fn is_own(&self) -> bool {
        self.name.starts_with(OWN_PREFIX)
    }
}

/// Every key that Kafka does not know starts so.
pub const OWN_PREFIX: &str = "millrace.";

#[cfg(test)]
mod tests {
    use super::super::topic_keys;

    /// Text of a topic's setting, and what Apache Kafka 4.3.1 answered to it: the value as described,
    /// or its message.
    const ANSWERS: &str = "
        retention.ms=abc                     | Invalid value abc for configuration retention.ms: Not a number of type LONG
        retention.ms=                        | Invalid value  for configuration retention.ms: Not a number of type LONG
        retention.ms=-2                      | Invalid value -2 for configuration retention.ms: Value must be at least -1
        retention.bytes=1.5                  | Invalid value 1.5 for configuration retention.bytes: Not a number of type LONG
        segment.bytes=1000                   | Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576
        segment.bytes=0x200000               | Invalid value 0x200000 for configuration segment.bytes: Not a number of type INT
        segment.bytes=+2097152               | 2097152
        max.message.bytes=99999999999        | Invalid value 99999999999 for configuration max.message.bytes: Not a number of type INT
        cleanup.policy=foo                   | Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete
        cleanup.policy=delete,,compact       | Configuration 'cleanup.policy' values must not be empty.
        cleanup.policy=delete,delete         | delete
        cleanup.policy= compact , delete     | compact,delete
        cleanup.policy=                      |
        compression.type=foo                 | Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer
        compression.gzip.level=0             | Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1
        compression.gzip.level=-1            | -1
        compression.lz4.level=99             | Invalid value 99 for configuration compression.lz4.level: Value must be no more than 17
        min.cleanable.dirty.ratio=2          | Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1
        min.cleanable.dirty.ratio=inf        | Invalid value inf for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE
        min.cleanable.dirty.ratio=-Infinity  | Invalid value -Infinity for configuration min.cleanable.dirty.ratio: Value must be at least 0
        min.cleanable.dirty.ratio=0.5d       | 0.5
        min.cleanable.dirty.ratio=NaN        | NaN
        min.cleanable.dirty.ratio=1e-5       | 1.0E-5
        preallocate=maybe                    | Invalid value maybe for configuration preallocate: Expected value to be either true or false
        preallocate= True                    | true
        leader.replication.throttled.replicas=bad     | Invalid value [bad] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...
        leader.replication.throttled.replicas=*       | *
        leader.replication.throttled.replicas=0:1,2:3 | 0:1,2:3
    ";

    #[test]
    fn values_are_read_and_refused_as_kafka_does() {
        let lines = ANSWERS.lines().map(str::trim).filter(|line| !line.is_empty());
        for line in lines {
            let (setting, answer) = line.split_once(" |").unwrap();
            let (key, text) = setting.split_once('=').unwrap();
            let value = topic_keys().get(key).unwrap().parse(text.trim_end());
            let ours = value.map_or_else(|error| error.message, |value| value.describe().unwrap());
            assert_eq!(ours, answer.trim(), "{setting}");
        }
    }
}
