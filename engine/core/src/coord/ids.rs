//! Names and numbers of groups, their members, and what a host and the coordinator call each other's affairs
//! by.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::base::TimestampMs;

/// Declares a shared text that names something. A clone costs a count; it crosses shards.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: &str) -> $name {
                $name(Arc::from(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// Bytes of the text.
            pub fn len(&self) -> usize {
                self.0.len()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name::new(text)
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> $name {
                $name(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// A group, as its clients call it (`group.id`).
    GroupId
);
name!(
    /// A member of a group; empty where a client has none yet.
    MemberId
);
name!(
    /// A static member (`group.instance.id`, KIP-345).
    InstanceId
);
name!(
    /// A topic, by the name that committed offsets stand under.
    TopicName
);

impl MemberId {
    /// What a client without a member id sends.
    pub fn none() -> MemberId {
        MemberId::new("")
    }
}

/// Number of a rebalance of a classic group; grows by one with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub i32);

impl Generation {
    /// What clients send that are in no generation.
    pub const NONE: Generation = Generation(-1);

    /// Wraps to 0, so that it stays a generation after 2^31 rebalances.
    pub fn next(self) -> Generation {
        Generation(self.0.checked_add(1).unwrap_or(0))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that only grows in a consumer group: of the group, of its target assignment,
/// and how far a member has come (KIP-848).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i32);

impl Epoch {
    /// What a member sends that joins, or begins anew.
    pub const JOINING: Epoch = Epoch(0);
    /// What a member sends that leaves.
    pub const LEAVING: Epoch = Epoch(-1);
    /// What a static member sends that will be back, and its epoch until then.
    pub const AWAY: Epoch = Epoch(-2);

    /// Stays where it is after 2^31 changes, which no group sees.
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request that waits for its answer; drawn by the host, unique while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A write that the coordinator asked for; drawn by the coordinator,
/// in the order in which they must be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Milliseconds of a clock that never goes back; what timeouts are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicMs(pub u64);

impl MonotonicMs {
    /// Later than every moment.
    pub const NEVER: MonotonicMs = MonotonicMs(u64::MAX);

    /// Negative times count as none.
    pub fn after_ms(self, ms: i32) -> MonotonicMs {
        MonotonicMs(self.0.saturating_add(u64::try_from(ms).unwrap_or(0)))
    }
}

/// The time of an event: timeouts are counted by `clock`, records carry `wall`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub clock: MonotonicMs,
    pub wall: TimestampMs,
}

/// The partition of `__consumer_offsets` that a group belongs to: Java's `String.hashCode` over its UTF-16
/// units, as every broker and tool of Kafka counts it.
pub fn partition_of(group: &str, partitions: i32) -> i32 {
    assert!(partitions > 0, "the offsets topic has partitions");
    let hash =
        group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's `Utils.abs`: the one number without a positive twin counts as 0.
    hash.checked_abs().unwrap_or(0) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_go_where_java_puts_them() {
        // (id, "id".hashCode()) as the JDK gives them.
        let cases = [
            ("", 0),
            ("a", 97),
            ("group", 98_629_247),
            ("polygenelubricants", i32::MIN),
            ("Aa", 2112),
            ("BB", 2112),
            ("\u{1f600}", 1_772_899),
        ];
        for (group, hash) in cases {
            let expected = i64::from(hash).abs() % 50;
            let expected = if hash == i32::MIN { 0 } else { expected };
            assert_eq!(i64::from(partition_of(group, 50)), expected, "{group}");
        }
    }

    #[test]
    fn generations_wrap_above_zero() {
        assert_eq!(Generation(4).next(), Generation(5));
        assert_eq!(Generation(i32::MAX).next(), Generation(0));
    }
}
