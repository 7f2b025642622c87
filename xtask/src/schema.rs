//! Converts the JSON message definitions inside Kafka's jars into schema text.

use millrace_schema::{Field, FieldType, Kind, Literal, Message, Struct, Tag, Versions, parse};
use serde_json::Value;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Folder of the definitions inside a jar.
const ENTRIES: &str = "common/message/";

/// Where the schema text of the wire's messages lives, which the clients jar defines.
pub(crate) fn wire_schema_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../net/wire/schema")
}

/// Where that of the records of `__consumer_offsets` lives, which the group coordinator's jar defines.
pub(crate) fn record_schema_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/core/schema")
}

/// Rewrites both schema folders.
pub(crate) fn convert(clients: &Path, group_coordinator: &Path) -> Outcome<String> {
    let wire = convert_jar(clients, &wire_schema_dir())?;
    let records = convert_jar(group_coordinator, &record_schema_dir())?;
    Ok(format!("{wire} definitions of messages, {records} of records"))
}

/// Rewrites every file of a schema folder from a jar; files of messages that are gone are removed.
#[expect(clippy::disallowed_methods, reason = "a development command works on the source tree itself")]
fn convert_jar(jar: &Path, dir: &Path) -> Outcome<usize> {
    let mut names: Vec<String> = unzip(&["-Z1"], jar, &format!("{ENTRIES}*.json"))?
        .lines()
        .filter_map(|line| line.strip_prefix(ENTRIES)?.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    let mut texts = Vec::new();
    for name in &names {
        let json = unzip(&["-p"], jar, &format!("{ENTRIES}{name}.json"))?;
        let value: Value =
            serde_json::from_str(&strip_comments(&json)).map_err(|e| format!("{name}: {e}"))?;
        let message = message(&value).map_err(|e| format!("{name}: {e}"))?;
        let text = message.to_string();
        if parse(&text).as_ref() != Ok(&message) {
            return Err(format!("{name}: the text does not read back to the definition").into());
        }
        texts.push((snake_case(&message.name), text));
    }
    fs::create_dir_all(dir)?;
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    for (name, text) in &texts {
        fs::write(dir.join(format!("{name}.txt")), text)?;
    }
    Ok(texts.len())
}

/// `FetchRequest` as `fetch_request`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let after_lower = i > 0 && !letters[i - 1].is_ascii_uppercase();
        let before_lower = letters.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && i > 0 && (after_lower || before_lower) {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn unzip(options: &[&str], jar: &Path, pattern: &str) -> Outcome<String> {
    let output = Command::new("unzip").args(options).arg(jar).arg(pattern).output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("unzip {}: {reason}", jar.display())).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The definitions carry comments only on lines of their own or after the last token of a line.
fn strip_comments(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for line in json.lines() {
        let mut quoted = false;
        let mut end = line.len();
        for (at, letter) in line.char_indices() {
            quoted ^= letter == '"' && !line[..at].ends_with('\\');
            if !quoted && line[at..].starts_with("//") {
                end = at;
                break;
            }
        }
        text.push_str(&line[..end]);
        text.push('\n');
    }
    text
}

fn message(value: &Value) -> Outcome<Message> {
    let kind = match string(value, "type")? {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "header" => Kind::Header,
        "data" => Kind::Value,
        "coordinator-key" => Kind::CoordinatorKey,
        "coordinator-value" => Kind::CoordinatorValue,
        other => return Err(format!("type {other}").into()),
    };
    let api_key = value.get("apiKey").and_then(Value::as_i64).map(i16::try_from).transpose()?;
    let mut structs = Vec::new();
    for common in list(value, "commonStructs") {
        structs.push(Struct {
            name: string(common, "name")?.to_owned(),
            versions: versions(string(common, "versions")?)?,
            fields: fields(common)?,
        });
    }
    Ok(Message {
        name: string(value, "name")?.to_owned(),
        kind,
        api_key,
        versions: versions(string(value, "validVersions")?)?,
        flexible: optional_versions(value, "flexibleVersions")?.unwrap_or(Versions::NONE),
        latest_unstable: value.get("latestVersionUnstable").and_then(Value::as_bool).unwrap_or(false),
        listeners: list(value, "listeners").iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        fields: fields(value)?,
        structs,
    })
}

fn fields(value: &Value) -> Outcome<Vec<Field>> {
    list(value, "fields").iter().map(field).collect()
}

fn field(value: &Value) -> Outcome<Field> {
    let name = string(value, "name")?;
    let kind = FieldType::parse(string(value, "type")?.trim()).ok_or_else(|| format!("type of {name}"))?;
    let default = match value.get("default") {
        // Kafka's generator takes only the text "null" for a default of null.
        None | Some(Value::Null) => None,
        Some(default) => literal(default, &kind).ok_or_else(|| format!("default of {name}"))?,
    };
    let tag = match value.get("tag").and_then(Value::as_u64) {
        None => None,
        Some(number) => {
            let versions = optional_versions(value, "taggedVersions")?.ok_or("a tag without versions")?;
            Some(Tag { number: u32::try_from(number)?, versions })
        }
    };
    Ok(Field {
        name: name.to_owned(),
        kind,
        // A tagged field may leave out what its tag says already.
        versions: optional_versions(value, "versions")?
            .or(tag.map(|tag| tag.versions))
            .ok_or_else(|| format!("versions of {name}"))?,
        nullable: optional_versions(value, "nullableVersions")?.unwrap_or(Versions::NONE),
        tag,
        default,
        ignorable: value.get("ignorable").and_then(Value::as_bool).unwrap_or(false),
        flexible: optional_versions(value, "flexibleVersions")?,
        fields: fields(value)?,
    })
}

/// The outer option is failure; the inner one is a default that equals the zero of the type.
fn literal(value: &Value, kind: &FieldType) -> Option<Option<Literal>> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let literal = match kind {
        _ if text == "null" => Literal::Null,
        FieldType::Bool => Literal::Bool(text.parse().ok()?),
        FieldType::Float64 => Literal::Float(text.parse().ok()?),
        FieldType::String if text.contains(['"', ' ', '\\']) => return None,
        FieldType::String => Literal::Text(text),
        FieldType::Int8
        | FieldType::Int16
        | FieldType::Uint16
        | FieldType::Int32
        | FieldType::Uint32
        | FieldType::Int64 => Literal::Int(match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok()?,
            None => text.parse().ok()?,
        }),
        _ => return None,
    };
    let zero = match &literal {
        Literal::Null => false,
        Literal::Bool(value) => !value,
        Literal::Int(value) => *value == 0,
        Literal::Float(value) => *value == 0.0,
        Literal::Text(value) => value.is_empty(),
    };
    Some((!zero).then_some(literal))
}

fn string<'v>(value: &'v Value, key: &str) -> Outcome<&'v str> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("no {key}").into())
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn optional_versions(value: &Value, key: &str) -> Outcome<Option<Versions>> {
    value.get(key).and_then(Value::as_str).map(versions).transpose()
}

fn versions(text: &str) -> Outcome<Versions> {
    Versions::parse(text).ok_or_else(|| format!("versions `{text}`").into())
}
