//! Values of config keys: their types, and how they are read and printed, as Kafka's `ConfigDef` does,
//! with its messages.

use std::fmt;

use thiserror::Error;

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

/// Kafka's `ConfigDef.Type`; the number of each is the one DescribeConfigs answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl ConfigType {
    /// The number DescribeConfigs answers with.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// As Kafka spells it in messages.
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
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

/// As Java's `Double.parseDouble` reads it: a type letter may follow,
/// and only `NaN` and `Infinity` are words.
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
