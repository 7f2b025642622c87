//! The group coordinator's records, and what clients put into them.

use millrace_core::coord::records::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, DecodeError, EncodeError, GroupRecord,
    MEMORY_PER_RECORD_BYTE,
};

use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

/// An input is what it is (record, subscription or assignment), the length of the key, the key,
/// and the value.
pub(in crate::fuzz) const GROUP_RECORDS: Target = Target {
    name: "group_records",
    decoders: &[
        "prefix::read_key",
        "prefix::read_value",
        "client_protocol::parse",
        "reader::nullable_owned_string",
        "reader::nullable_owned_bytes",
        "reader::nullable_tagged_struct",
    ],
    golden: golden_inputs,
    // A commit of 7 in version 3, by group g to partition 2 of topic t.
    generate: |_| {
        let key = b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x02";
        let value = b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x07\xff\xff\xff\xff\x00\x01m\x00\x00\x00\x00\x00\x00\x00\x09";
        input(RECORD, key, value)
    },
    fields: |bytes| {
        (0..bytes.len().min(300))
            .flat_map(|at| [Field::big(at, 1), Field::big(at, 2), Field::big(at, 4)])
            .collect()
    },
    check,
    ..Target::PLAIN
};

/// What the codec promises, beside small allocations that are rounded up.
const RECORD_MEMORY: Bound = Bound { per_byte: MEMORY_PER_RECORD_BYTE, fixed: 1024 };

const RECORD: u8 = 0;
const SUBSCRIPTION: u8 = 1;
const ASSIGNMENT: u8 = 2;

fn input(kind: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    [&[kind, key.len() as u8][..], key, value].concat()
}

fn check(input: &Input<'_>) -> Checked {
    let [kind, key_length, rest @ ..] = input.bytes else { return Ok(TargetOutcome::Refused) };
    let (key, value) = rest.split_at(usize::from(*key_length).min(rest.len()));
    match *kind % 3 {
        SUBSCRIPTION => {
            let to_bytes = |read: &ConsumerProtocolSubscription, version| read.to_bytes(version);
            trip(input, value, ConsumerProtocolSubscription::parse, to_bytes)
        }
        ASSIGNMENT => {
            let to_bytes = |read: &ConsumerProtocolAssignment, version| read.to_bytes(version);
            trip(input, value, ConsumerProtocolAssignment::parse, to_bytes)
        }
        _ if value.is_empty() => {
            let to_bytes = |read: &GroupRecord, _| read.encode_key();
            trip(input, key, |key| GroupRecord::decode(key, None), to_bytes)
        }
        _ => {
            let to_bytes =
                |read: &GroupRecord, version| read.encode_value(version).map(Option::unwrap_or_default);
            trip(input, value, |value| GroupRecord::decode(key, Some(value)), to_bytes)
        }
    }
}

/// Reads, writes in the version that stands in front, and reads again.
fn trip<T: PartialEq + std::fmt::Debug>(
    input: &Input<'_>,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&T, i16) -> Result<Vec<u8>, EncodeError>,
) -> Checked {
    let value = match RECORD_MEMORY.hold(input.bytes.len(), || read(bytes))? {
        Ok(value) => value,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good record is refused: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    let version = bytes.first_chunk().map_or(0, |front| i16::from_be_bytes(*front));
    let again = match write(&value, version) {
        Ok(again) => again,
        // A type without code; a version that was read as an earlier one;
        // text that was no UTF-8 is longer once its bytes are replaced.
        Err(EncodeError::RecordType(_) | EncodeError::Version(_) | EncodeError::TooLong(_)) => {
            return Ok(TargetOutcome::Decoded);
        }
        Err(fault) => return Err(format!("decoded, but not encoded: {fault} in {value:?}")),
    };
    let read_again = read(&again);
    promise(read_again.as_ref() == Ok(&value), || format!("{value:?} comes back as {read_again:?}"))?;
    promise(!input.is_whole() || again == bytes, || "Kafka's bytes come back changed".to_owned())?;
    Ok(TargetOutcome::Decoded)
}

fn golden_inputs() -> Vec<Vec<u8>> {
    let texts = golden::texts("engine/core/tests/group_records/golden");
    let lines: Vec<(&str, Vec<u8>)> = texts.iter().flat_map(|text| text.lines()).filter_map(line).collect();
    let key_of = |record: &str| {
        let key = lines.iter().find(|(name, _)| name.strip_suffix("Key") == Some(record));
        key.map_or(&[][..], |(_, bytes)| bytes)
    };
    let made = lines.iter().map(|(name, bytes)| match *name {
        "ConsumerProtocolSubscription" => input(SUBSCRIPTION, &[], bytes),
        "ConsumerProtocolAssignment" => input(ASSIGNMENT, &[], bytes),
        name => match name.strip_suffix("Value") {
            Some(record) => input(RECORD, key_of(record), bytes),
            None => input(RECORD, bytes, &[]),
        },
    });
    made.collect()
}

fn line(text: &str) -> Option<(&str, Vec<u8>)> {
    let mut words = text.splitn(5, ' ');
    let (name, _version, _filling, hex) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some((name, golden::from_hex(hex)))
}
