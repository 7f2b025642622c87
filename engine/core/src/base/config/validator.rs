//! What a config value must be beyond its type, and Kafka's messages to one that is not.

use super::listeners::split_address;
use super::value::{ConfigError, Value, parse_size};

/// What a value must be beyond its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    Any,
    /// `low` or more, and `high` or less where there is one; texts as messages print them.
    Range {
        low: &'static str,
        high: Option<&'static str>,
    },
    /// 1 to 9, or -1 for the codec's own default.
    GzipLevel,
    OneOf(Vec<&'static str>),
    OneOfAnyCase(Vec<&'static str>),
    /// A list; of these items only, where there are any.
    Items {
        allowed: Vec<&'static str>,
        filled: bool,
    },
    /// A string of at least one character.
    Filled,
    /// `*`, or partition:broker pairs.
    Replicas,
    /// Where a share group begins: earliest, latest, or `by_duration:` and a duration that is not negative.
    OffsetReset,
    /// A number of bytes with an optional unit KiB, MiB, GiB, TiB; at least this many.
    Size(u64),
    /// HOST:PORT, or empty for none.
    Address,
}

impl Validator {
    /// Checks a parsed value; lists come back without their duplicates.
    pub(super) fn check(&self, key: &str, value: Value) -> Result<Value, ConfigError> {
        match (self, &value) {
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
            (Validator::OffsetReset, Value::Text(text)) if !is_offset_reset(text) => {
                let reason = format!(
                    "Invalid value `{text}` for configuration {key}. The value must be either 'earliest', 'latest' or \
                     of the format 'by_duration:<PnDTnHnMn.nS>'."
                );
                return Err(ConfigError::invalid(key, text, reason));
            }
            (Validator::Size(least), Value::Text(text)) => check_size(key, *least, text)?,
            (Validator::Address, Value::Text(text)) if !text.is_empty() && split_address(text).is_none() => {
                return Err(ConfigError::invalid(key, text, "Not an address: HOST:PORT"));
            }
            _ => {}
        }
        Ok(value)
    }
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

fn is_offset_reset(text: &str) -> bool {
    match text.strip_prefix("by_duration:") {
        Some(duration) => is_duration(&duration.to_ascii_uppercase()),
        None => matches!(text, "earliest" | "latest"),
    }
}

/// Whether a text in capitals is `PnDTnHnMn.nS` with at least one of its parts (`java.time.Duration`).
fn is_duration(text: &str) -> bool {
    let Some(parts) = text.strip_prefix('P') else { return false };
    let (days, time) = match parts.split_once('T') {
        Some((_, "")) => return false,
        Some((days, time)) => (days, time),
        None => (parts, ""),
    };
    let (Some(days), Some(time)) = (without_parts(days, "D"), without_parts(time, "HMS")) else {
        return false;
    };
    !parts.is_empty() && days.is_empty() && time.is_empty()
}

/// What is left of a text once a number was taken off for each unit that it has, in their order; `None` where
/// what stands before a unit is no number.
fn without_parts<'a>(text: &'a str, units: &str) -> Option<&'a str> {
    let mut rest = text;
    for unit in units.chars() {
        let Some((number, behind)) = rest.split_once(unit) else { continue };
        let (whole, fraction) =
            if unit == 'S' { number.split_once('.').unwrap_or((number, "")) } else { (number, "") };
        let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 9 {
            return None;
        }
        rest = behind;
    }
    Some(rest)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_reset_is_a_name_or_a_duration() {
        let good = ["earliest", "latest", "by_duration:P1D", "by_duration:PT1H2M3.5S", "by_duration:p1dt5m"];
        let bad = [
            "",
            "none",
            "Latest",
            "by_duration",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:P1DT",
        ];
        let worse = [
            "by_duration:1D",
            "by_duration:PT1M1H",
            "by_duration:PTH",
            "by_duration:P-1D",
            "by_duration:PT.5S",
        ];
        assert!(good.into_iter().all(is_offset_reset));
        let taken: Vec<_> = bad.into_iter().chain(worse).filter(|text| is_offset_reset(text)).collect();
        assert!(taken.is_empty(), "{taken:?}");
    }
}
