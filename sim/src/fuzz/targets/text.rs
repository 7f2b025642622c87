//! Text that users write: properties, configurations, values and sizes,
//! and the names that files and ids have.

use std::collections::BTreeMap;

use millrace_core::base::config::{
    BrokerConfig, ConfigMap, Definition, LoadedConfig, Properties, TopicConfig, UnknownKeys, broker_keys,
    parse_size, topic_keys, validate_topic,
};
use millrace_core::base::{Offset, TopicId};
use millrace_core::log::SegmentName;
use millrace_core::meta::check_topic_name;

use crate::chance::Chance;
use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::target::{Checked, Target, TargetOutcome, promise};

pub(in crate::fuzz) const PROPERTIES: Target = Target {
    name: "properties",
    decoders: &["properties::parse"],
    golden: || {
        golden::texts("clients/parity/server.properties").into_iter().map(String::into_bytes).collect()
    },
    generate: |chance| {
        let line = |chance: &mut Chance| {
            let key = pick(&["a", "some.key", "k\\ y", "\\u0061", "# comment", ""], chance);
            let separator = pick(&["=", " = ", ":", " ", ""], chance);
            let value =
                pick(&["1", "two\\\n  lines", "\\u00fc\\ud83d\\ude00", "c:\\\\path", "a=b", "\\t"], chance);
            format!("{key}{separator}{value}\n")
        };
        (0..1 + chance.below(5)).map(|_| line(chance)).collect::<String>().into_bytes()
    },
    check: check_properties,
    ..Target::PLAIN
};

pub(in crate::fuzz) const CONFIG: Target = Target {
    name: "config",
    decoders: &[
        "load::read_values",
        "load::read_listeners",
        "listeners::parse",
        "listeners::listener",
        "definition::parse",
        "value::parse",
        "value::parse_double",
        "topic::validate_topic",
    ],
    golden: PROPERTIES.golden,
    generate: |chance| {
        let keys: Vec<&Definition> = broker_keys().iter().chain(topic_keys().iter()).collect();
        let line = |chance: &mut Chance| {
            let key = keys.get(chance.below(keys.len() as u64) as usize).map_or("", |key| key.name);
            let key = if chance.one_in(3) { pick(&LISTENER_KEYS, chance) } else { key };
            format!("{key}={}\n", pick(&VALUES, chance))
        };
        (0..1 + chance.below(4)).map(|_| line(chance)).collect::<String>().into_bytes()
    },
    check: check_config,
    ..Target::PLAIN
};

pub(in crate::fuzz) const SIZES: Target = Target {
    name: "sizes",
    decoders: &["value::parse_size"],
    generate: |chance| {
        let number = 1u64 << chance.below(64);
        let unit = pick(&["", "b", "k", "KiB", " MiB", "gb", "T", "TiB "], chance);
        format!("{}{unit}", number / (1 + chance.below(9))).into_bytes()
    },
    check: check_size,
    ..Target::PLAIN
};

pub(in crate::fuzz) const NAMES: Target = Target {
    name: "names",
    decoders: &["ids::parse", "segments::parse", "segments::parse_with_suffix", "segments::parse_stem"],
    generate: |chance| match chance.below(3) {
        0 => {
            let mut id = [0; 16];
            chance.fill(&mut id);
            TopicId(id).to_string().into_bytes()
        }
        1 => SegmentName::new(Offset((chance.below(u64::MAX) >> 1) as i64)).to_string().into_bytes(),
        _ => SegmentName::new(Offset(chance.below(1000) as i64)).with_suffix(".mrindex").into_bytes(),
    },
    check: check_names,
    ..Target::PLAIN
};

const LISTENER_KEYS: [&str; 5] = [
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "controller.listener.names",
    "process.roles",
];
const VALUES: [&str; 16] = [
    "1",
    "-1",
    "0",
    "9223372036854775807",
    "true",
    "delete,compact",
    "PLAINTEXT://:9092",
    "PLAINTEXT://[::1]:9092,CONTROLLER://:9093",
    "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "broker,controller",
    "CreateTime",
    "0.5",
    "64MiB",
    "0:1,2:3",
    "zstd",
    "",
];

/// The text itself in pieces, each in a list or map of its own; names of unknown keys stand in warnings.
const TEXT: Bound = Bound { per_byte: 80, fixed: 4096 };
/// The values of every key that there is, and what was given, several times over in messages.
const CONFIGURATION: Bound = Bound { per_byte: 400, fixed: 1 << 20 };
/// A unit in small letters.
const SIZE: Bound = Bound { per_byte: 2, fixed: 64 };
/// The message that refuses a name.
const NAME: Bound = Bound { per_byte: 8, fixed: 1024 };

fn pick(from: &[&'static str], chance: &mut Chance) -> &'static str {
    from.get(chance.below(from.len() as u64) as usize).copied().unwrap_or_default()
}

/// Keys and values as Java would write them, each escaped so that it comes back.
fn written(properties: &Properties) -> String {
    let escaped = |text: &str| -> String {
        let escape = |unit: u16| match unit {
            0x30..=0x39 | 0x41..=0x5a | 0x61..=0x7a => char::from(unit as u8).to_string(),
            _ => format!("\\u{unit:04x}"),
        };
        text.encode_utf16().map(escape).collect()
    };
    properties.iter().map(|(key, value)| format!("{} = {}\n", escaped(key), escaped(value))).collect()
}

fn check_properties(input: &Input<'_>) -> Checked {
    let text = String::from_utf8_lossy(input.bytes);
    let parsed = TEXT.hold(text.len(), || Properties::parse(&text))?;
    let properties = match parsed {
        Ok(properties) => properties,
        Err(fault) => {
            promise(!input.is_whole(), || format!("good properties are refused: {fault}"))?;
            let lines = text.lines().count();
            promise((1..=lines).contains(&fault.line), || {
                format!("line {} of {lines}: {fault}", fault.line)
            })?;
            return Ok(TargetOutcome::Refused);
        }
    };
    let again = Properties::parse(&written(&properties));
    promise(again.as_ref() == Ok(&properties), || format!("{properties:?} comes back as {again:?}"))?;
    Ok(TargetOutcome::Decoded)
}

fn check_config(input: &Input<'_>) -> Checked {
    let text = String::from_utf8_lossy(input.bytes);
    let Ok(properties) = Properties::parse(&text) else { return Ok(TargetOutcome::Refused) };
    check_values(&properties)?;
    check_topic(&properties)?;
    let strict = CONFIGURATION.hold(text.len(), || LoadedConfig::load(&properties, UnknownKeys::Refuse))?;
    let loaded = CONFIGURATION.hold(text.len(), || LoadedConfig::load(&properties, UnknownKeys::Warn))?;
    let shown = || format!("strict {strict:?}, otherwise {loaded:?}");
    match (&strict, &loaded) {
        (Ok(strict), Ok(loaded)) => promise(strict.warnings == loaded.warnings, shown)?,
        (Ok(_), Err(_)) => return Err(shown()),
        (Err(errors), _) => promise(!errors.is_empty(), shown)?,
    }
    let Ok(LoadedConfig { broker, .. }) = loaded else { return Ok(TargetOutcome::Refused) };
    for key in broker_keys().iter() {
        let Some(value) = broker.value(key.name) else { continue };
        let Some(text) = value.describe() else { continue };
        let again = key.parse(&text).map(|value| value.describe());
        promise(again.as_ref() == Ok(&Some(text.clone())), || {
            format!("{}={text} is read as {again:?}", key.name)
        })?;
    }
    // What every part of the broker asks for at its start: answers, or an assertion.
    let _ =
        (broker.node_id(), broker.data_dir(), broker.memory_bytes(), broker.shards(), broker.journal_bytes());
    let _ = (broker.durability(), broker.produce_validation(), TopicConfig::defaults(&broker));
    Ok(TargetOutcome::Decoded)
}

/// A value that is accepted is described by a text that is accepted and means the same.
fn check_values(properties: &Properties) -> Result<(), String> {
    for (key, text) in properties.iter() {
        let definitions = [broker_keys().get(key), topic_keys().get(key)];
        for definition in definitions.into_iter().flatten() {
            let Ok(value) = CONFIGURATION.hold(text.len(), || definition.parse(text))? else { continue };
            let Some(described) = value.describe() else { continue };
            let again = definition.parse(&described).map(|value| value.describe());
            promise(again.as_ref() == Ok(&Some(described.clone())), || {
                format!("{key}={text:?} is {described:?}, which is read as {again:?}")
            })?;
        }
    }
    Ok(())
}

/// A topic's settings, on a broker that has none.
fn check_topic(properties: &Properties) -> Result<(), String> {
    let overrides: ConfigMap =
        properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let broker = BrokerConfig::default();
    let size = overrides.iter().map(|(key, value)| key.len() + value.len()).sum();
    let verdict = CONFIGURATION.hold(size, || validate_topic(&broker, &BTreeMap::new(), &overrides))?;
    if verdict.is_ok() {
        let _ = TopicConfig::resolve(&broker, &BTreeMap::new(), &overrides).durability();
    }
    Ok(())
}

fn check_size(input: &Input<'_>) -> Checked {
    let text = String::from_utf8_lossy(input.bytes);
    let parsed = SIZE.hold(text.len(), || parse_size(&text))?;
    // By the description: digits, blanks, a unit; 128 bits so that nothing is too large on the way.
    let trimmed = text.trim();
    let unit = trimmed.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let digits = &trimmed.get(..trimmed.len() - unit.len()).unwrap_or_default();
    let power = match unit.trim().to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => Some(0),
        "K" => Some(1),
        "M" => Some(2),
        "G" => Some(3),
        "T" => Some(4),
        _ => None,
    };
    let number: Option<u128> = digits.parse().ok();
    let expected = power.zip(number).and_then(|(power, number)| number.checked_mul(1024u128.pow(power)));
    let expected = expected.and_then(|bytes| u64::try_from(bytes).ok());
    let doubtful = ["IB", "BB", "BIB", "IBB", "IBIB"].iter().any(|odd| {
        let unit = unit.trim().to_ascii_uppercase();
        unit == *odd || (unit.len() > 3 && unit.ends_with(odd)) || unit.ends_with("BB") || unit == "IB"
    });
    promise(doubtful || parsed == expected, || format!("{text:?} is {parsed:?}, not {expected:?}"))?;
    Ok(if parsed.is_some() { TargetOutcome::Decoded } else { TargetOutcome::Refused })
}

fn check_names(input: &Input<'_>) -> Checked {
    let text = String::from_utf8_lossy(input.bytes);
    let (id, segment, index) = NAME.hold(text.len(), || {
        (TopicId::parse(&text), SegmentName::parse(&text), SegmentName::parse_with_suffix(&text, ".mrindex"))
    })?;
    let _ = NAME.hold(text.len(), || check_topic_name(&text))?;
    let back = [
        id.map(|id| id.to_string()),
        segment.map(|name| name.to_string()),
        index.map(|name| name.with_suffix(".mrindex")),
    ];
    let read: Vec<&String> = back.iter().flatten().collect();
    promise(read.iter().all(|back| **back == text), || format!("{text:?} comes back as {read:?}"))?;
    promise(!input.is_whole() || read.len() == 1, || format!("{text:?} is no name, or two"))?;
    Ok(if read.is_empty() { TargetOutcome::Refused } else { TargetOutcome::Decoded })
}
