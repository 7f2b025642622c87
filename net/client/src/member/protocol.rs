//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`:
//! what consumers put into JoinGroup and SyncGroup as bytes.
//!
//! Their versions begin alike: a version, the topics or partitions, and the user's own bytes. What newer ones
//! have behind that is of assignors that move partitions one after the other, which this member is none of.

use std::collections::BTreeSet;

use millrace_wire::{Bytes, DecodeError, EncodeError, Form, Reader, Writer};

use crate::place::{Place, by_topic};

/// What members call themselves that read topics.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

/// The version that every reader knows.
const VERSION: i16 = 0;

/// The topics that a member wants to read.
pub(crate) fn write_subscription(topics: &BTreeSet<String>) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(VERSION);
    writer.count(topics.len(), Form::Plain)?;
    for topic in topics {
        writer.string(topic, Form::Plain)?;
    }
    writer.null_count(Form::Plain);
    Ok(writer.finish().concat())
}

pub(crate) fn read_subscription(bytes: &Bytes) -> Result<BTreeSet<String>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let _version = reader.i16()?;
    let topics = reader.array::<String, 2>(Form::Plain, |reader| {
        reader.string(Form::Plain).map(std::borrow::Cow::into_owned)
    })?;
    Ok(topics.into_iter().collect())
}

/// What the group's leader gives a member.
pub(crate) fn write_assignment(places: &BTreeSet<Place>) -> Result<Vec<u8>, EncodeError> {
    let topics = by_topic(places.iter().map(|place| (place, ())), |partition, ()| partition);
    let mut writer = Writer::new();
    writer.i16(VERSION);
    writer.count(topics.len(), Form::Plain)?;
    for (topic, partitions) in topics {
        writer.string(topic, Form::Plain)?;
        writer.count(partitions.len(), Form::Plain)?;
        partitions.into_iter().for_each(|partition| writer.i32(partition));
    }
    writer.null_count(Form::Plain);
    Ok(writer.finish().concat())
}

/// No bytes at all are an assignment of nothing.
pub(crate) fn read_assignment(bytes: &Bytes) -> Result<BTreeSet<Place>, DecodeError> {
    let mut places = BTreeSet::new();
    if bytes.is_empty() {
        return Ok(places);
    }
    let mut reader = Reader::new(bytes);
    let _version = reader.i16()?;
    reader.array::<(), 6>(Form::Plain, |reader| {
        let topic = reader.string(Form::Plain)?;
        let partitions = reader.array::<i32, 4>(Form::Plain, Reader::i32)?;
        places.extend(partitions.into_iter().map(|partition| Place::new(topic.as_ref(), partition)));
        Ok(())
    })?;
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(places: &[(&str, i32)]) -> BTreeSet<Place> {
        places.iter().map(|(topic, partition)| Place::new(*topic, *partition)).collect()
    }

    fn check_assignment(bytes: &[u8], expected: Option<&[(&str, i32)]>) {
        let read = read_assignment(&Bytes::copy_from_slice(bytes)).ok();
        assert_eq!(read, expected.map(places), "{bytes:?}");
    }

    #[test]
    fn assignments_are_read_and_nonsense_is_not() {
        check_assignment(&[], Some(&[]));
        let two = b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x03\0\0\0\x05\xff\xff\xff\xff";
        check_assignment(two, Some(&[("t", 3), ("t", 5)]));
        check_assignment(b"\0\0\0\0\0\0", Some(&[]));
        check_assignment(b"\0", None);
        check_assignment(b"\0\0\0\0\0\x09\0\x01t", None);
        check_assignment(b"\0\0\x7f\xff\xff\xff", None);
    }

    /// The bytes are those of Kafka's own classes, as `engine/core/tests/group_records/golden` has them for
    /// version 0.
    #[test]
    fn assignments_are_written_as_kafka_writes_them() {
        for (expected, assigned) in [
            (&b"\0\0\0\0\0\0\xff\xff\xff\xff"[..], &[][..]),
            (
                b"\0\0\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x07\
                \0\x02bc\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff",
                &[("bc", 1), ("a", 7), ("a", 0)],
            ),
        ] {
            assert_eq!(write_assignment(&places(assigned)).unwrap(), expected);
            check_assignment(expected, Some(assigned));
        }
    }

    #[test]
    fn subscriptions_are_written_and_read_in_all_versions() {
        let topics = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let written = write_subscription(&topics(&["bc", "a"])).unwrap();
        assert_eq!(written, b"\0\0\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff");
        for (bytes, expected) in [
            (&written[..], Some(&["a", "bc"][..])),
            // Version 3 has owned partitions, a generation and a rack behind these.
            (b"\0\x03\0\0\0\x01\0\x01t\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", Some(&["t"])),
            (b"\0\0\0\0\0\x02\0\x01t\0\x01t\0\0\0\x01x", Some(&["t"])),
            (b"", None),
            (b"\0\0\0\0\0\x02\0\x01a", None),
        ] {
            let read = read_subscription(&Bytes::copy_from_slice(bytes)).ok();
            assert_eq!(read, expected.map(topics), "{bytes:?}");
        }
    }
}
