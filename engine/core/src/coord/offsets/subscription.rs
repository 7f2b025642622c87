//! The topics that a member of a consumer group subscribes to, read out of what it says to its assignor.

use millrace_codec::Reader;

use crate::coord::records::ConsumerProtocolSubscription;

/// What every version of a subscription begins with.
const COMMON_VERSION: i16 = 0;

/// The topics of a subscription; `None` where the bytes are something else. As in Kafka,
/// only what all versions have is read.
pub(in crate::coord) fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::of_record(metadata);
    reader.i16().ok()?;
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, COMMON_VERSION);
    subscription.ok().map(|subscription| subscription.topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_nothing_else_is() {
        let cases: [(&[u8], Option<&[&str]>); 9] = [
            (b"\0\0\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff", Some(&["a", "bc"])),
            // Version 3 has owned partitions, a generation and a rack behind these.
            (b"\0\x03\0\0\0\x01\0\x01t\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", Some(&["t"])),
            (b"\0\x01\0\0\0\0\xff\xff\xff\xff", Some(&[])),
            (b"", None),
            (b"\0\0\0\0\0", None),
            (b"\0\0\xff\xff\xff\xff", None),
            (b"\0\0\x7f\xff\xff\xff\0\x01a", None),
            (b"\0\0\0\0\0\x01\0\x02a", None),
            // Java's strings are read so.
            (b"\0\0\0\0\0\x01\0\x01\xff\xff\xff\xff\xff", Some(&["\u{fffd}"])),
        ];
        for (bytes, topics) in cases {
            let topics = topics.map(|topics| topics.iter().map(|topic| (*topic).to_owned()).collect());
            assert_eq!(subscribed_topics(bytes), topics, "{bytes:?}");
        }
    }
}
