//! Variables of a case: captured values stand for `$name`, their text for `${name}` inside a longer string.
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bound on one repeated text.
const REPEATED_MAX: u64 = 16 << 20;

pub(crate) type Variables = BTreeMap<String, Value>;

/// Replaces every variable in `value`; an unknown name is an error.
pub(crate) fn substitute(value: &Value, variables: &Variables) -> Result<Value, String> {
    match value {
        Value::String(text) => substitute_text(text, variables),
        Value::Array(elements) => {
            elements.iter().map(|e| substitute(e, variables)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Value::Object(members) => {
            if let Some(text) = repeated(members) {
                return Ok(text);
            }
            let mut replaced = Map::new();
            for (key, member) in members {
                let key = inside(key, variables)?;
                replaced.insert(key, substitute(member, variables)?);
            }
            Ok(Value::Object(replaced))
        }
        other => Ok(other.clone()),
    }
}

/// `{repeat: x, times: 1000}` is a text of that many characters.
fn repeated(members: &Map<String, Value>) -> Option<Value> {
    let (text, times) = (members.get("repeat")?.as_str()?, members.get("times")?.as_u64()?);
    Some(Value::from(text.repeat(times.min(REPEATED_MAX) as usize)))
}

fn substitute_text(text: &str, variables: &Variables) -> Result<Value, String> {
    let whole = text.strip_prefix('$').filter(|name| !name.starts_with('{'));
    let Some(name) = whole else { return inside(text, variables).map(Value::String) };
    let split = name.find(['+', '-']).unwrap_or(name.len());
    let (name, sum) = name.split_at(split);
    let value = lookup(name, variables)?;
    if sum.is_empty() {
        return Ok(value.clone());
    }
    let summand: i64 = sum.parse().map_err(|_| format!("{text}: {sum} is no number"))?;
    let base = value.as_i64().ok_or_else(|| format!("{text}: ${name} is no number"))?;
    Ok(Value::from(base + summand))
}

fn inside(text: &str, variables: &Variables) -> Result<String, String> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').ok_or_else(|| format!("{text}: }} is missing"))?;
        replaced.push_str(before);
        match lookup(name, variables)? {
            Value::String(s) => replaced.push_str(s),
            other => replaced.push_str(&other.to_string()),
        }
        rest = tail;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

fn lookup<'a>(name: &str, variables: &'a Variables) -> Result<&'a Value, String> {
    variables.get(name).ok_or_else(|| format!("variable ${name} is not set"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_words_keep_their_type_and_parts_become_text() {
        let variables = Variables::from([("n".into(), json!(7)), ("t".into(), json!("topic"))]);
        for (text, expect) in [
            (json!({"a": "$n", "b": ["$n+2", "$n-1"]}), json!({"a": 7, "b": [9, 6]})),
            (json!("${t}-${n}"), json!("topic-7")),
            (json!("plain"), json!("plain")),
        ] {
            assert_eq!(substitute(&text, &variables), Ok(expect));
        }
        assert!(substitute(&json!("$x"), &variables).is_err());
    }
}
