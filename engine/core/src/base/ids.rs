//! Newtypes for every id, offset, epoch and position that could be taken for another.

use std::fmt;

/// Declares a `Copy` number type that prints as its number.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> $name {
                $name(value)
            }
        }
    };
}

number!(
    /// Number of a record in its partition.
    Offset(i64)
);
number!(
    /// Generation of a partition's leader; `NONE` where a request names none.
    LeaderEpoch(i32)
);
number!(
    /// Identity of an idempotent producer.
    ProducerId(i64)
);
number!(
    /// Generation of a producer id; a higher one fences a lower one.
    ProducerEpoch(i16)
);
number!(
    /// Number of a record within its producer's stream to one partition; wraps from 2^31-1 to 0.
    Sequence(i32)
);
number!(
    /// Milliseconds since 1970 as records carry them; -1 means none.
    TimestampMs(i64)
);
number!(
    /// Id of a broker of the cluster.
    BrokerId(i32)
);
number!(
    /// Number of a partition within its topic.
    PartitionIndex(i32)
);
number!(
    /// Number of a shard within this process.
    ShardIndex(u16)
);
number!(
    /// Byte in a segment.
    Position(u64)
);

impl Offset {
    pub const ZERO: Offset = Offset(0);
    /// Kafka's "no such offset".
    pub const NONE: Offset = Offset(-1);

    /// The offset `count` records later; saturates at the largest.
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0.saturating_add(count))
    }

    /// The offset right after this one.
    pub fn next(self) -> Offset {
        self.plus(1)
    }
}

impl LeaderEpoch {
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl ProducerId {
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

impl TimestampMs {
    pub const NONE: TimestampMs = TimestampMs(-1);
}

impl BrokerId {
    pub const NONE: BrokerId = BrokerId(-1);
}

impl Position {
    pub const ZERO: Position = Position(0);
}

impl Sequence {
    pub const NONE: Sequence = Sequence(-1);
    pub const ZERO: Sequence = Sequence(0);

    /// The sequence `count` records later, wrapping from 2^31-1 to 0 (Kafka's `DefaultRecordBatch`).
    /// Negative counts go back.
    pub fn plus(self, count: i32) -> Sequence {
        let modulus = i64::from(i32::MAX) + 1;
        let sum = (i64::from(self.0) + i64::from(count)).rem_euclid(modulus);
        Sequence(sum as i32)
    }

    /// The sequence expected after this one.
    pub fn next(self) -> Sequence {
        self.plus(1)
    }
}

/// Identity of a topic that survives its name: 16 bytes,
/// printed as Kafka prints a Uuid (22 characters base64url).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id of no topic.
    pub const ZERO: TopicId = TopicId([0; 16]);

    /// Reads the 22 characters that `Display` writes.
    pub fn parse(text: &str) -> Option<TopicId> {
        if text.len() != TOPIC_ID_CHARACTERS {
            return None;
        }
        let mut id = [0u8; 16];
        let mut slots = id.iter_mut();
        let (mut bits, mut held) = (0u32, 0u32);
        for character in text.bytes() {
            bits = bits << 6 | BASE64_URL.iter().position(|&c| c == character)? as u32;
            held += 6;
            if held >= 8 {
                held -= 8;
                *slots.next()? = (bits >> held) as u8;
                bits &= (1 << held) - 1;
            }
        }
        (bits == 0).then_some(TopicId(id))
    }
}

/// 16 bytes in base64 without padding.
const TOPIC_ID_CHARACTERS: usize = 22;

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let number = u128::from_be_bytes(self.0);
        for place in 0..TOPIC_ID_CHARACTERS as u32 {
            // The last of the 22 characters holds 2 bits and 4 zeros.
            let six = if place == 21 { (number << 4) & 63 } else { (number >> (122 - 6 * place)) & 63 };
            f.write_char(char::from(BASE64_URL.get(six as usize).copied().unwrap_or(b'A')))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A partition named so that a deleted and recreated topic is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    pub topic: TopicId,
    pub partition: PartitionIndex,
}

impl PartitionKey {
    pub fn new(topic: TopicId, partition: PartitionIndex) -> PartitionKey {
        PartitionKey { topic, partition }
    }

    /// The shard that owns this partition among `shards`. The topic chooses where to start and its partitions
    /// follow one after another, so that one topic's load spreads evenly. The same on every run:
    /// journals rely on it.
    pub fn owner(self, shards: u16) -> ShardIndex {
        assert!(shards > 0, "a process has at least one shard");
        if shards == 1 {
            return ShardIndex(0);
        }
        let mut start = 0xcbf2_9ce4_8422_2325u64;
        for byte in self.topic.0 {
            start = (start ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let place = (start ^ (start >> 32)) % u64::from(shards) + u64::from(self.partition.0.unsigned_abs());
        ShardIndex((place % u64::from(shards)) as u16)
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What an acknowledged record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// The end of the process; a power loss may take what was not yet on the device.
    Process,
    /// A power loss.
    Power,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Durability::Process => "process",
            Durability::Power => "power",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_print_as_kafka_prints_them() {
        let cases: [(u128, &str); 4] = [
            (0, "AAAAAAAAAAAAAAAAAAAAAA"),
            (1, "AAAAAAAAAAAAAAAAAAAAAQ"),
            (u128::MAX, "_____________________w"),
            (0x0123_4567_89ab_cdef_fedc_ba98_7654_3210, "ASNFZ4mrze_-3LqYdlQyEA"),
        ];
        for (number, text) in cases {
            let id = TopicId(number.to_be_bytes());
            assert_eq!(id.to_string(), text);
            assert_eq!(TopicId::parse(text), Some(id));
        }
        for bad in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAA=="] {
            assert_eq!(TopicId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn sequences_wrap_at_two_to_the_31() {
        assert_eq!(Sequence(i32::MAX).next(), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).plus(3), Sequence(1));
        assert_eq!(Sequence(0).plus(-1), Sequence(i32::MAX));
        assert_eq!(Sequence(5).plus(2), Sequence(7));
    }

    #[test]
    fn consecutive_partitions_go_to_consecutive_shards() {
        let topic = TopicId(*b"sixteen bytes id");
        for shards in [1u16, 2, 3, 8] {
            let first = PartitionKey::new(topic, PartitionIndex(0)).owner(shards).0;
            for partition in 0..20u16 {
                let owner = PartitionKey::new(topic, PartitionIndex(i32::from(partition))).owner(shards);
                assert_eq!(owner.0, (first + partition) % shards);
            }
        }
    }
}
