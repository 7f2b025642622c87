//! What Kafka decides about each batch of `cases.txt` (`verdicts.txt`, made by `KafkaJudge.java judge`), and that we
//! decide the same.

use millrace_core::base::{LeaderEpoch, Offset, TimestampMs};
use millrace_core::log::fault::{BatchFault, RecordErrors, RecordFault};
use millrace_core::log::validate::Compacted;
use millrace_core::log::{BatchHeader, Codec, TimestampType, Validation, ValidationRules, validate};

use crate::support::{from_hex, to_hex};

#[test]
fn we_decide_as_kafka_does() {
    let read = |name: &str, fallback: &str| match std::env::var(name) {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => fallback.to_owned(),
    };
    let cases = read("MILLRACE_CASES_FILE", include_str!("cases.txt"));
    let verdicts = read("MILLRACE_VERDICTS_FILE", include_str!("verdicts.txt"));
    assert_eq!(cases.lines().count(), verdicts.lines().count());
    let mut differences = Vec::new();
    for (case, verdict) in cases.lines().zip(verdicts.lines()) {
        let parts: Vec<_> = case.split(' ').collect();
        let (ours, on_purpose) = decide(&parts, verdict);
        if ours != verdict && !on_purpose {
            differences.push(format!("kafka {verdict}\nours  {ours}\n      {case}"));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
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
            (format!("{name} {}", code(&fault)), lax && stricter(&bytes, &fault))
        }
    }
}

/// Where we refuse what Kafka takes or fails on with an internal error, so that no reader meets records that contradict
/// themselves.
fn stricter(bytes: &[u8], fault: &BatchFault) -> bool {
    let codec = BatchHeader::parse(bytes).unwrap().attributes.codec();
    match fault {
        BatchFault::Record(RecordFault::OffsetDelta { .. }) => true,
        BatchFault::Record(RecordFault::Size) => codec != Ok(Codec::None),
        _ => false,
    }
}

/// The Kafka error code of a fault, and the refused records.
fn code(fault: &BatchFault) -> String {
    let indexes = |errors: &RecordErrors| {
        errors.listed.iter().map(|error| error.batch_index.to_string()).collect::<Vec<_>>().join(",")
    };
    match fault {
        BatchFault::LengthTooSmall { .. } | BatchFault::UnknownMagic(_) | BatchFault::Checksum { .. } => {
            "2".into()
        }
        BatchFault::MessageTooLarge { .. } => "10".into(),
        BatchFault::LargerThanSegment { .. } => "18".into(),
        BatchFault::ZstdTooEarly(_) => "76".into(),
        BatchFault::UnknownCodec(_) | BatchFault::Undecodable => "-1".into(),
        BatchFault::InvalidTimestamps(errors) => format!("32 {}", indexes(errors)),
        BatchFault::InvalidRecords(errors) => format!("87 {}", indexes(errors)),
        _ => "87".into(),
    }
}
