//! Values of config keys: read, checked and printed as Kafka's `ConfigDef` does, with its messages.

use std::fmt;

use thiserror::Error;

use super::definition::{ConfigType, Validator};

/// Keys and values as they were set.
pub type ConfigMap = std::collections::BTreeMap<String, String>;

/// A value that was refused, in Kafka's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ConfigError {
    /// The key that is wrong.
    pub key: String,
    /// Kafka's kind of message; it names the key, the value and the reason.
    pub message: String,
}

impl ConfigError {
    /// A message of one's own.
    pub fn new(key: &str, message: impl Into<String>) -> ConfigError {
        ConfigError { key: key.to_owned(), message: message.into() }
    }

    /// "Invalid value V for configuration K: REASON".
    pub fn invalid(key: &str, value: impl fmt::Display, reason: impl fmt::Display) -> ConfigError {
        ConfigError::new(key, format!("Invalid value {value} for configuration {key}: {reason}"))
    }
}

/// A parsed value.
#[derive(Clone, PartialEq)]
pub enum Value {
    Boolean(bool),
    Short(i16),
    Int(i32),
    Long(i64),
    Double(f64),
    /// Strings and class names.
    Text(String),
    List(Vec<String>),
    /// Never printed.
    Secret(String),
}

impl Value {
    /// Reads `text` as a value of `kind`; blanks around it do not count.
    pub fn parse(key: &str, kind: ConfigType, text: &str) -> Result<Value, ConfigError> {
        let trimmed = text.trim();
        let not_a_number =
            || ConfigError::invalid(key, text, format!("Not a number of type {}", kind.name()));
        match kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            ConfigType::Boolean => {
                Err(ConfigError::invalid(key, text, "Expected value to be either true or false"))
            }
            ConfigType::Short => trimmed.parse().map(Value::Short).map_err(|_| not_a_number()),
            ConfigType::Int => trimmed.parse().map(Value::Int).map_err(|_| not_a_number()),
            ConfigType::Long => trimmed.parse().map(Value::Long).map_err(|_| not_a_number()),
            ConfigType::Double => parse_double(trimmed).map(Value::Double).ok_or_else(not_a_number),
            ConfigType::String | ConfigType::Class => Ok(Value::Text(trimmed.to_owned())),
            ConfigType::Password => Ok(Value::Secret(trimmed.to_owned())),
            ConfigType::List if trimmed.is_empty() => Ok(Value::List(Vec::new())),
            ConfigType::List => {
                Ok(Value::List(trimmed.split(',').map(|item| item.trim().to_owned()).collect()))
            }
        }
    }

    /// The text DescribeConfigs answers with; `None` for secrets.
    pub fn describe(&self) -> Option<String> {
        match self {
            Value::Secret(_) => None,
            Value::Boolean(value) => Some(value.to_string()),
            Value::Short(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Long(value) => Some(value.to_string()),
            Value::Double(value) => Some(java_double(*value)),
            Value::Text(value) => Some(value.clone()),
            Value::List(items) => Some(items.join(",")),
        }
    }

    /// The number in it, if it is a whole number.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Value::Short(value) => Some(i64::from(*value)),
            Value::Int(value) => Some(i64::from(*value)),
            Value::Long(value) => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe().unwrap_or_else(|| "[hidden]".to_owned()))
    }
}

/// Checks a parsed value; lists come back without their duplicates.
pub(super) fn check(key: &str, validator: &Validator, value: Value) -> Result<Value, ConfigError> {
    match (validator, &value) {
        (Validator::Range { low, high }, _) => check_range(key, low, *high, &value)?,
        (Validator::GzipLevel, Value::Int(level)) if *level != -1 && !(1..=9).contains(level) => {
            return Err(ConfigError::invalid(key, level, "Value must be between 1 and 9 or equal to -1"));
        }
        (Validator::OneOf(allowed), Value::Text(text)) if !allowed.contains(&text.as_str()) => {
            return Err(ConfigError::invalid(key, text, one_of(allowed)));
        }
        (Validator::OneOfAnyCase(allowed), Value::Text(text)) if !any_case(allowed, text) => {
            return Err(ConfigError::invalid(
                key,
                text,
                format!("String must be one of (case insensitive): {}", allowed.join(", ")),
            ));
        }
        (Validator::Filled, Value::Text(text)) if text.is_empty() => {
            return Err(ConfigError::invalid(key, text, "String must be non-empty"));
        }
        (Validator::Items { allowed, filled }, Value::List(items)) => {
            return check_items(key, allowed, *filled, items).map(Value::List);
        }
        (Validator::Replicas, Value::List(items)) => check_replicas(key, items)?,
        (Validator::Size(least), Value::Text(text)) => check_size(key, *least, text)?,
        _ => {}
    }
    Ok(value)
}

fn any_case(allowed: &[&str], text: &str) -> bool {
    allowed.iter().any(|known| known.eq_ignore_ascii_case(text))
}

fn one_of(allowed: &[&str]) -> String {
    format!("String must be one of: {}", allowed.join(", "))
}

fn check_range(key: &str, low: &str, high: Option<&str>, value: &Value) -> Result<(), ConfigError> {
    let shown = value.describe().unwrap_or_default();
    if is_less(value, low) {
        return Err(ConfigError::invalid(key, shown, format!("Value must be at least {low}")));
    }
    if let Some(high) = high
        && is_more(value, high)
    {
        return Err(ConfigError::invalid(key, shown, format!("Value must be no more than {high}")));
    }
    Ok(())
}

fn is_less(value: &Value, limit: &str) -> bool {
    compare(value, limit) == Some(std::cmp::Ordering::Less)
}

fn is_more(value: &Value, limit: &str) -> bool {
    compare(value, limit) == Some(std::cmp::Ordering::Greater)
}

fn compare(value: &Value, limit: &str) -> Option<std::cmp::Ordering> {
    match (value, value.whole()) {
        (Value::Double(value), _) => value.partial_cmp(&limit.parse().ok()?),
        (_, Some(value)) => Some(value.cmp(&limit.parse().ok()?)),
        _ => None,
    }
}

fn check_items(
    key: &str,
    allowed: &[&str],
    filled: bool,
    items: &[String],
) -> Result<Vec<String>, ConfigError> {
    if filled && items.is_empty() {
        let valid = if allowed.is_empty() {
            "any non-empty value".to_owned()
        } else {
            format!("[{}]", allowed.join(", "))
        };
        return Err(ConfigError::new(
            key,
            format!("Configuration '{key}' must not be empty. Valid values include: {valid}"),
        ));
    }
    let mut kept: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        if item.is_empty() {
            return Err(ConfigError::new(key, format!("Configuration '{key}' values must not be empty.")));
        }
        if !allowed.is_empty() && !allowed.contains(&item.as_str()) {
            return Err(ConfigError::invalid(key, item, one_of(allowed)));
        }
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn check_replicas(key: &str, items: &[String]) -> Result<(), ConfigError> {
    let is_pair = |item: &String| {
        let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        item.is_empty() || item.split_once(':').is_some_and(|(left, right)| number(left) && number(right))
    };
    if items.first().is_some_and(|first| first == "*") || items.iter().all(is_pair) {
        return Ok(());
    }
    let reason = format!(
        "{key} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(ConfigError::invalid(key, format_args!("[{}]", items.join(", ")), reason))
}

fn check_size(key: &str, least: u64, text: &str) -> Result<(), ConfigError> {
    match parse_size(text) {
        Some(bytes) if bytes >= least => Ok(()),
        Some(_) => Err(ConfigError::invalid(key, text, format!("Value must be at least {least}"))),
        None => {
            Err(ConfigError::invalid(key, text, "Not a size: a number of bytes, or of KiB, MiB, GiB, TiB"))
        }
    }
}

/// Reads "4096", "64KiB", "256 MiB", "2GiB" (also K, M, G, T and KB..TB, all powers of 1024) as bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// As Java's `Double.parseDouble` reads it: a type letter may follow, and only `NaN` and `Infinity` are words.
fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let is_decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E');
    digits.bytes().all(is_decimal).then(|| digits.parse().ok()).flatten()
}

/// As Java's `Double.toString` prints it.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) || !value.is_finite() {
        return match value {
            _ if value.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            _ => format!("{value:?}"),
        };
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::topic_keys;

    /// Text of a topic's setting, and what Apache Kafka 4.3.1 answered to it: the value as described, or its message.
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

    #[test]
    fn sizes_have_units() {
        let cases = [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("64KiB", Some(64 << 10)),
            (" 256 MiB ", Some(256 << 20)),
            ("2g", Some(2 << 30)),
            ("1TB", Some(1 << 40)),
            ("", None),
            ("MiB", None),
            ("1.5GiB", None),
            ("-1", None),
            ("99999999999TiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(super::parse_size(text), bytes, "{text}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let secret = super::Value::Secret("hunter2".to_owned());
        assert_eq!(secret.describe(), None);
        assert_eq!(format!("{secret:?}"), "[hidden]");
    }
}
