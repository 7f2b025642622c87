//! docs/config.md and docs/compatibility.md say of each config key what the registry says.
//! `MILLRACE_BLESS=1` rewrites the generated parts.
#![allow(clippy::unwrap_used)]

#[path = "support/document.rs"]
mod document;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use millrace_core::base::config::definition::OWN_PREFIX;
use millrace_core::base::config::{
    Definition, Effect, Section, Validator, broker_keys, client_metrics_keys, group_keys, topic_keys,
};

use document::check;

fn is_own(definition: &Definition) -> bool {
    definition.name.starts_with(OWN_PREFIX)
}

fn limits(validator: &Validator) -> String {
    match validator {
        Validator::Any => String::new(),
        Validator::Range { low, high: None } => format!("from {low}"),
        Validator::Range { low, high: Some(high) } => format!("{low} to {high}"),
        Validator::GzipLevel => "1 to 9, or -1".to_owned(),
        Validator::OneOf(names) | Validator::OneOfAnyCase(names) => names.join(", "),
        Validator::Items { allowed, filled } => {
            let filled = if *filled { "at least one" } else { "any number" };
            if allowed.is_empty() { filled.to_owned() } else { format!("{filled} of {}", allowed.join(", ")) }
        }
        Validator::Filled => "not empty".to_owned(),
        Validator::Replicas => "`*` or partition:broker".to_owned(),
        Validator::Address => "HOST:PORT, or empty".to_owned(),
        Validator::OffsetReset => "earliest, latest, or by_duration:DURATION".to_owned(),
        Validator::Size(least) => format!("a size of at least {} MiB", least >> 20),
    }
}

fn table(section: &Section, wanted: impl Fn(&Definition) -> bool) -> String {
    let mut rows: Vec<_> = section.iter().filter(|key| wanted(key)).collect();
    rows.sort_by_key(|key| key.name);
    let mut text = String::from("| key | type | default | values | meaning |\n|---|---|---|---|---|\n");
    for key in rows {
        let default = match key.default_text {
            None if key.required => "assumed for one node",
            None => "unset",
            Some("") => "empty",
            Some(text) => text,
        };
        let kind = key.kind.name().to_lowercase();
        let mut meaning = key.documentation.to_owned();
        if let Effect::InPart(part) = key.effect {
            let _ = write!(meaning, " In part: {part}.");
        }
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {default} | {} | {meaning} |",
            key.name,
            limits(&key.validator)
        );
    }
    text
}

#[test]
fn the_reference_lists_every_key_that_acts() {
    let acts = |key: &Definition| key.effect != Effect::None && !is_own(key);
    check("config.md", "own broker keys", &table(broker_keys(), is_own));
    check("config.md", "own topic keys", &table(topic_keys(), is_own));
    check("config.md", "broker keys", &table(broker_keys(), acts));
    check("config.md", "topic keys", &table(topic_keys(), acts));
    check("config.md", "group keys", &table(group_keys(), acts));
    check("config.md", "client metrics keys", &table(client_metrics_keys(), acts));
}

/// Names in groups of their first word.
fn names(section: &Section) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in section.iter().filter(|key| key.effect == Effect::None) {
        groups.entry(key.name.split('.').next().unwrap_or_default()).or_default().push(key.name);
    }
    let mut text = String::new();
    for names in groups.values_mut() {
        names.sort_unstable();
        let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "- {}", quoted.join(", "));
    }
    text
}

fn in_part(section: &Section) -> String {
    let mut lines: Vec<_> = section
        .iter()
        .filter_map(|key| match key.effect {
            Effect::InPart(part) => Some(format!("- `{}`: {part}.\n", key.name)),
            _ => None,
        })
        .collect();
    lines.sort_unstable();
    lines.concat()
}

#[test]
fn the_compatibility_page_lists_every_key_without_effect() {
    check("compatibility.md", "broker keys in part", &in_part(broker_keys()));
    check("compatibility.md", "topic keys in part", &in_part(topic_keys()));
    check("compatibility.md", "broker keys without effect", &names(broker_keys()));
    check("compatibility.md", "topic keys without effect", &names(topic_keys()));
    check("compatibility.md", "group keys without effect", &names(group_keys()));
}
