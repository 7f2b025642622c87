//! What Kafka decides about each batch of `cases.txt` (`verdicts.txt`, made by `KafkaJudge.java judge`),
//! and that we decide the same.

use millrace_core::base::{LeaderEpoch, Offset, TimestampMs};
use millrace_core::log::fault::{BatchFault, RecordFault};
use millrace_core::log::validate::Compacted;
use millrace_core::log::{BatchHeader, Codec, TimestampType, Validation, ValidationRules, validate};

use crate::support::{from_hex, to_hex};

#[test]
fn we_decide_as_kafka_does() {
    let cases = text_of("MILLRACE_CASES_FILE", include_str!("cases.txt"));
    let verdicts = text_of("MILLRACE_VERDICTS_FILE", include_str!("verdicts.txt"));
    assert_eq!(cases.lines().count(), verdicts.lines().count());
    let mut differences = Vec::new();
    for (case, verdict) in cases.lines().zip(verdicts.lines()) {
        let parts: Vec<_> = case.split(' ').collect();
        let verdict = &without_record_text(verdict);
        let (ours, on_purpose) = decide(&parts, verdict);
        if ours != *verdict && !on_purpose {
            differences.push(format!("kafka {verdict}\nours  {ours}\n      {case}"));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// The committed text, or that of a file named in the environment: for more cases than are worth keeping.
#[expect(clippy::disallowed_methods, reason = "a test reads its input; no shard waits for it")]
fn text_of(variable: &str, committed: &str) -> String {
    std::env::var(variable).map_or(committed.to_owned(), |path| std::fs::read_to_string(path).unwrap())
}

/// Kafka prints the record inside one of its messages, as its class has it; we do not.
fn without_record_text(verdict: &str) -> String {
    match (
        verdict.find(" PartialDefaultRecord(").or(verdict.find(" DefaultRecord(")),
        verdict.find("). Producer"),
    ) {
        (Some(from), Some(to)) => format!("{}{}", &verdict[..from], &verdict[to + 1..]),
        _ => verdict.to_owned(),
    }
}

/// Our verdict as text, and whether it may differ from Kafka's.
fn decide(parts: &[&str], verdict: &str) -> (String, bool) {
    let [name, version, max, cleanup, stamp, now, before, after, batch] = parts else { panic!("{parts:?}") };
    let rules = ValidationRules {
        now: TimestampMs(now.parse().unwrap()),
        validation: Validation::Full,
        max_message_bytes: max.parse().unwrap(),
        segment_bytes: 1 << 30,
        compacted: if *cleanup == "compacted" { Compacted::Yes } else { Compacted::No },
        timestamp_type: match *stamp {
            "append" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: before.parse().unwrap(),
        timestamp_after_max_ms: after.parse().unwrap(),
        produce_version: version.parse().unwrap(),
    };
    let bytes = from_hex(batch);
    match validate(&bytes, &rules) {
        Ok(valid) => {
            let header = valid.header_to_append(&bytes, Offset(1000), LeaderEpoch(7));
            (format!("{name} ok {} {}", valid.max_timestamp, to_hex(&header)), false)
        }
        Err(fault) => {
            let lax = verdict.starts_with(&format!("{name} ok ")) || verdict == format!("{name} -1");
            (format!("{name} {}", answer(&fault)), lax && stricter(&bytes, &fault))
        }
    }
}

/// Where we refuse what Kafka takes or fails on with an internal error,
/// so that no reader meets records that contradict themselves.
fn stricter(bytes: &[u8], fault: &BatchFault) -> bool {
    let codec = BatchHeader::parse(bytes).unwrap().attributes.codec();
    match fault {
        BatchFault::Record(RecordFault::OffsetDelta { .. }) => true,
        BatchFault::Record(RecordFault::Size) => codec != Ok(Codec::None),
        _ => false,
    }
}

/// The Kafka error code of a fault; for refused records also their indexes and the messages.
fn answer(fault: &BatchFault) -> String {
    let code = match fault {
        BatchFault::LengthTooSmall { .. } | BatchFault::UnknownMagic(_) | BatchFault::Checksum { .. } => 2,
        BatchFault::MessageTooLarge { .. } => 10,
        BatchFault::LargerThanSegment { .. } => 18,
        BatchFault::ZstdTooEarly(_) => 76,
        BatchFault::UnknownCodec(_) | BatchFault::Undecodable => -1,
        BatchFault::InvalidTimestamps(_) => 32,
        _ => 87,
    };
    let Some(message) = fault.answered_message(&"t-0") else {
        return code.to_string();
    };
    let errors = fault.record_errors();
    let indexes: Vec<_> = errors.iter().map(|error| error.batch_index.to_string()).collect();
    format!("{code} {} | {message} | {}", indexes.join(","), errors[0].message(&"t-0"))
}
