//! Writes the tables of API keys and of error codes, and the list of messages.

use super::{NOTICE, Outcome};
use crate::schema::snake_case;
use millrace_schema::{Kind, Message};
use std::fmt::Write as _;

/// `ApiKey` with the version ranges of every request that Kafka still defines.
pub(super) fn api_keys(messages: &[Message]) -> Outcome<String> {
    let mut apis = Vec::new();
    for message in messages.iter().filter(|m| m.kind == Kind::Request && !m.versions.is_none()) {
        let key = message.api_key.ok_or_else(|| format!("{} has no key", message.name))?;
        let name = message.name.strip_suffix("Request").ok_or_else(|| message.name.clone())?;
        apis.push((key, name, message));
    }
    apis.sort_by_key(|(key, ..)| *key);

    let mut out = format!("//! Table of API keys, {NOTICE}\n\n");
    out.push_str("/// Every API of Kafka 4.3; numbers of removed ones are missing.\n");
    out.push_str("#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\n");
    out.push_str("#[repr(i16)]\npub enum ApiKey {\n");
    for (key, name, _) in &apis {
        writeln!(out, "{name} = {key},")?;
    }
    out.push_str(
        "}\n\nimpl ApiKey {\n/// In the order of their numbers.\npub const ALL: &'static [ApiKey] = &[\n",
    );
    for (_, name, _) in &apis {
        writeln!(out, "ApiKey::{name},")?;
    }
    out.push_str("];\n\n/// The API of a number, or nothing for one that is unknown or was removed.\n");
    out.push_str("pub const fn from_i16(key: i16) -> Option<ApiKey> {\nSome(match key {\n");
    for (key, name, _) in &apis {
        writeln!(out, "{key} => ApiKey::{name},")?;
    }
    out.push_str("_ => return None,\n})\n}\n\n");
    column(&mut out, "Kafka's name of the API.", "name", "&'static str", &apis, |name, _| {
        format!("{name:?}")
    })?;
    let first = |m: &Message| m.versions.first().unwrap_or(0);
    let last = |m: &Message| m.versions.last().unwrap_or(0);
    let about = "Oldest version that is defined.";
    column(&mut out, about, "min_version", "i16", &apis, |_, m| first(m).to_string())?;
    let about = "Newest version that is defined, stable or not.";
    column(&mut out, about, "max_version", "i16", &apis, |_, m| last(m).to_string())?;
    let about = "Newest version that is not a draft; below `min_version` if all are.";
    column(&mut out, about, "max_stable_version", "i16", &apis, |_, m| {
        (last(m) - i16::from(m.latest_unstable)).to_string()
    })?;
    let about = "First version with compact lengths and tagged fields; past every version if none has.";
    column(&mut out, about, "flexible_from", "i16", &apis, |_, m| match m.flexible.first() {
        Some(first) => first.to_string(),
        None => "i16::MAX".to_owned(),
    })?;
    out.push_str("}\n");
    Ok(out)
}

fn column(
    out: &mut String,
    about: &str,
    method: &str,
    kind: &str,
    apis: &[(i16, &str, &Message)],
    value: impl Fn(&str, &Message) -> String,
) -> Outcome<()> {
    writeln!(out, "/// {about}\npub const fn {method}(self) -> {kind} {{\nmatch self {{")?;
    for (_, name, message) in apis {
        writeln!(out, "ApiKey::{name} => {},", value(name, message))?;
    }
    out.push_str("}\n}\n\n");
    Ok(())
}

/// `ErrorCode` from lines of `number NAME` with `retriable` behind it where it is.
pub(super) fn error_codes(text: &str) -> Outcome<String> {
    let mut errors = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (code, name) = match words[..] {
            [code, name] | [code, name, "retriable"] => (code.parse::<i16>()?, name),
            _ => return Err(format!("bad line `{line}`").into()),
        };
        errors.push((code, name, camel_case(name)));
    }
    let mut out = format!("//! Table of error codes, {NOTICE}\n\n");
    out.push_str("/// Every error code of Kafka 4.3.\n");
    out.push_str("#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\n");
    out.push_str("#[repr(i16)]\npub enum ErrorCode {\n");
    for (code, _, variant) in &errors {
        writeln!(out, "{variant} = {code},")?;
    }
    out.push_str("}\n\nimpl ErrorCode {\npub const ALL: &'static [ErrorCode] = &[\n");
    for (_, _, variant) in &errors {
        writeln!(out, "ErrorCode::{variant},")?;
    }
    out.push_str("];\n\n/// The error of a number, or nothing for an unknown one.\n");
    out.push_str("pub const fn from_i16(code: i16) -> Option<ErrorCode> {\nSome(match code {\n");
    for (code, _, variant) in &errors {
        writeln!(out, "{code} => ErrorCode::{variant},")?;
    }
    out.push_str("_ => return None,\n})\n}\n\n/// The number on the wire.\n");
    out.push_str("pub const fn code(self) -> i16 {\nself as i16\n}\n\n/// Kafka's name.\n");
    out.push_str("pub const fn name(self) -> &'static str {\nmatch self {\n");
    for (_, name, variant) in &errors {
        writeln!(out, "ErrorCode::{variant} => {name:?},")?;
    }
    out.push_str("}\n}\n}\n");
    Ok(out)
}

/// The macro `for_each_message!`: requests and responses in the order of their names, then the headers.
pub(super) fn for_each_message<'m>(messages: impl Iterator<Item = &'m Message>) -> Outcome<String> {
    let (headers, bodies): (Vec<_>, Vec<_>) = messages.partition(|message| message.name.ends_with("Header"));
    let mut out = format!("//! List of messages, {NOTICE}\n\n");
    out.push_str(
        "/// Calls a macro with the list of all messages: for each its type, `in`, its module, a comma.\n",
    );
    out.push_str("#[macro_export]\nmacro_rules! for_each_message {\n    ($callback:ident) => {\n");
    out.push_str("        $callback! {\n");
    for message in bodies.into_iter().chain(headers) {
        writeln!(out, "            {} in {},", message.name, snake_case(&message.name))?;
    }
    out.push_str("        }\n    };\n}\n");
    Ok(out)
}

/// `NOT_LEADER_OR_FOLLOWER` as `NotLeaderOrFollower`.
fn camel_case(name: &str) -> String {
    let mut text = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        text.extend(letters.next());
        text.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    text
}
