//! The records of `__consumer_offsets`: their types and fields,
//! as the schema has them that their codec is made from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use millrace_core::coord::records::GroupRecord;

use super::field::check_text;

/// What a schema file says of one key or value.
struct Message {
    name: String,
    record_type: i16,
    versions: String,
    flexible: String,
    /// Fields of the message itself, then of the structs in it, by name.
    parts: Vec<(String, Vec<String>)>,
}

#[expect(clippy::disallowed_methods, reason = "a test reads files of the repository")]
fn messages(ending: &str) -> BTreeMap<i16, Message> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.to_str().unwrap().ends_with(ending));
    let texts = wanted.map(|path| std::fs::read_to_string(path).unwrap());
    texts.map(|text| message(&text)).map(|message| (message.record_type, message)).collect()
}

/// `coordinator-value NAME key N versions V flexible F`, then fields, and structs with theirs.
fn message(text: &str) -> Message {
    let mut lines = text.lines();
    let words: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let behind = |word: &str| words[words.iter().position(|it| *it == word).unwrap() + 1];
    let mut parts: Vec<(String, Vec<String>)> = vec![(String::new(), Vec::new())];
    // Which part the fields of each depth belong to:
    // those of a struct in its place stand deeper than the field itself.
    let mut open = vec![0];
    for line in lines {
        if let Some(rest) = line.strip_prefix("struct ") {
            parts.push((rest.split(' ').next().unwrap().to_owned(), Vec::new()));
            open = vec![parts.len() - 1];
            continue;
        }
        let depth = (line.len() - line.trim_start().len()) / 2 - 1;
        if depth == open.len() {
            let of = parts[open[depth - 1]].1.last().unwrap();
            let kind = of.split(' ').nth(1).unwrap().trim_start_matches("[]").to_owned();
            parts.push((kind, Vec::new()));
            open.push(parts.len() - 1);
        }
        open.truncate(depth + 1);
        parts[open[depth]].1.push(field(line.trim()));
    }
    Message {
        name: words[1].to_owned(),
        record_type: behind("key").parse().unwrap(),
        versions: behind("versions").to_owned(),
        flexible: behind("flexible").to_owned(),
        parts,
    }
}

/// `name type versions ...`: the versions are told where they are not all.
fn field(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let tag = words.iter().position(|word| *word == "tag").map(|at| format!(", tag {}", words[at + 1]));
    let since = match words[2] {
        "0" | "0+" => String::new(),
        versions => format!(", {versions}"),
    };
    let nullable = if words.contains(&"nullable") { ", nullable" } else { "" };
    let notes = since + nullable + &tag.unwrap_or_default();
    let notes = notes.strip_prefix(", ").map(|notes| format!(" ({notes})"));
    format!("`{}` {}{}", words[0], words[1], notes.unwrap_or_default())
}

/// Whether a broker reads records of this type.
fn is_read(record_type: i16) -> bool {
    !matches!(GroupRecord::decode(&record_type.to_be_bytes(), None), Ok(GroupRecord::Unknown(_)))
}

#[test]
fn the_records_of_the_offsets_topic() {
    let (keys, values) = (messages("_key.txt"), messages("_value.txt"));
    let mut text =
        String::from("| type | record | key | versions of the value | value |\n|---|---|---|---|---|\n");
    let mut structs = String::from("| structure | of type | fields |\n|---|---|---|\n");
    for (record_type, key) in keys.iter().filter(|(record_type, _)| is_read(**record_type)) {
        let value = &values[record_type];
        let name = key.name.strip_suffix("Key").unwrap();
        assert_eq!(value.name.strip_suffix("Value"), Some(name));
        assert_eq!((key.versions.as_str(), key.flexible.as_str()), ("0", "none"), "{name}");
        let flexible = match value.flexible.as_str() {
            "none" => String::new(),
            versions => format!(", flexible {versions}"),
        };
        let fields = |message: &Message| message.parts[0].1.join(", ");
        let (of_key, of_value) = (fields(key), fields(value));
        let _ = writeln!(
            text,
            "| {record_type} | {name} | {of_key} | {}{flexible} | {of_value} |",
            value.versions
        );
        for (name, fields) in &value.parts[1..] {
            let _ = writeln!(structs, "| `{name}` | {record_type} | {} |", fields.join(", "));
        }
    }
    check_text("group records", &format!("{text}\n{structs}"));
}
