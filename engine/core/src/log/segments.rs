//! Segments of a partition: their names, their order, and when the next one begins.

use std::fmt;

use crate::base::limits::SEGMENT_BYTES_MAX;
use crate::base::{Offset, Position, TimestampMs};

/// Digits of a segment's name: as many as the largest offset needs, and one more, as in Kafka.
const NAME_DIGITS: usize = 20;
const LOG_SUFFIX: &str = ".log";

/// The name of a segment file: its base offset in 20 digits. `Display` gives the file name of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    pub base: Offset,
}

impl SegmentName {
    pub fn new(base: Offset) -> SegmentName {
        assert!(base.0 >= 0, "a segment begins at a real offset");
        SegmentName { base }
    }

    /// Reads the name of a log file; `None` for any other file.
    pub fn parse(file_name: &str) -> Option<SegmentName> {
        SegmentName::parse_stem(file_name.strip_suffix(LOG_SUFFIX)?)
    }

    /// Reads the name of a segment's other file, such as its index, by suffix with the dot.
    pub fn parse_with_suffix(file_name: &str, suffix: &str) -> Option<SegmentName> {
        SegmentName::parse_stem(file_name.strip_suffix(suffix)?)
    }

    /// The name of the segment's file with `suffix`, which holds the dot.
    pub fn with_suffix(self, suffix: &str) -> String {
        format!("{:020}{suffix}", self.base.0)
    }

    fn parse_stem(stem: &str) -> Option<SegmentName> {
        if stem.len() != NAME_DIGITS || !stem.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        stem.parse().ok().map(|base| SegmentName { base: Offset(base) })
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}{LOG_SUFFIX}", self.base.0)
    }
}

/// One segment: where it begins and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub base: Offset,
    /// Bytes of whole batches.
    pub size: u64,
    /// Largest timestamp of its records.
    pub max_timestamp: TimestampMs,
}

/// The segments of a partition by base offset. The last one is active: appended to. Bases rise strictly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentList {
    segments: Vec<Segment>,
}

impl SegmentList {
    pub fn new() -> SegmentList {
        SegmentList::default()
    }

    /// Adds the next segment. Its base must be above every other.
    pub fn push(&mut self, segment: Segment) {
        assert!(
            self.segments.last().is_none_or(|last| last.base < segment.base),
            "segments are added in order"
        );
        self.segments.push(segment);
    }

    /// Notes an append to the active segment.
    pub fn grow(&mut self, bytes: u64, max_timestamp: TimestampMs) {
        let active = self.segments.last_mut();
        assert!(active.is_some(), "an append goes to an active segment");
        if let Some(active) = active {
            active.size += bytes;
            active.max_timestamp = active.max_timestamp.max(max_timestamp);
        }
    }

    pub fn active(&self) -> Option<&Segment> {
        self.segments.last()
    }

    /// The segment that holds `offset`, or would: the last one whose base is not above it.
    pub fn containing(&self, offset: Offset) -> Option<&Segment> {
        self.segments.get(self.place_of(offset)?)
    }

    /// The segment after the one with this base.
    pub fn after(&self, base: Offset) -> Option<&Segment> {
        self.segments.get(self.segments.partition_point(|segment| segment.base <= base))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Segment> {
        self.segments.iter()
    }

    pub fn len(&self) -> usize {
        self.segments.len()
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes of all segments.
    pub fn total_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// Removes the segments that end at or before `start`; the active one stays.
    /// Returns the removed ones, oldest first.
    pub fn truncate_from_start(&mut self, start: Offset) -> Vec<Segment> {
        let keep_from = self.place_of(start).unwrap_or(0);
        self.segments.drain(..keep_from).collect()
    }

    /// Cuts the log at `end`, which lies at `position` of its segment. Returns the removed segments, oldest
    /// first; if `end` is the base of one, that one stays, empty.
    pub fn truncate_from_end(&mut self, end: Offset, position: Position) -> Vec<Segment> {
        let Some(place) = self.place_of(end) else {
            return std::mem::take(&mut self.segments);
        };
        let removed = self.segments.split_off(place + 1);
        if let Some(last) = self.segments.last_mut() {
            assert!(position.0 <= last.size, "a segment is cut within its bytes");
            last.size = position.0;
        }
        removed
    }

    fn place_of(&self, offset: Offset) -> Option<usize> {
        self.segments.partition_point(|segment| segment.base <= offset).checked_sub(1)
    }
}

impl<'a> IntoIterator for &'a SegmentList {
    type Item = &'a Segment;
    type IntoIter = std::slice::Iter<'a, Segment>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What decides whether the active segment takes one more append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollRules {
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`, without jitter.
    pub segment_ms: i64,
}

/// The age of the active segment as rolling counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentAge {
    /// When it was made, by the broker's clock.
    pub created: TimestampMs,
    /// Largest timestamp of its first batch; `NONE` while it is empty or that batch has no time.
    pub first_timestamp: TimestampMs,
}

/// One append as rolling sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextAppend {
    pub size: u64,
    pub last_offset: Offset,
    pub max_timestamp: TimestampMs,
}

/// Whether a new segment must begin with `append` (Kafka: `LogSegment.shouldRoll`): it would pass the size,
/// the segment spans its time by the records' own timestamps (by the clock if the first batch has none), or
/// the append's last offset is too far from the base for a signed 32-bit index.
pub fn should_roll(
    active: &Segment,
    age: SegmentAge,
    append: NextAppend,
    rules: &RollRules,
    now: TimestampMs,
) -> bool {
    let limit = rules.segment_bytes.min(SEGMENT_BYTES_MAX);
    if active.size.saturating_add(append.size) > limit {
        return true;
    }
    let waited_ms = if age.first_timestamp.0 >= 0 {
        append.max_timestamp.0.saturating_sub(age.first_timestamp.0)
    } else {
        now.0.saturating_sub(age.created.0)
    };
    if active.size > 0 && waited_ms > rules.segment_ms {
        return true;
    }
    let relative = append.last_offset.0.saturating_sub(active.base.0);
    !(0..=i64::from(i32::MAX)).contains(&relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (base, name) in [(0, "00000000000000000000.log"), (i64::MAX, "09223372036854775807.log")] {
            assert_eq!(SegmentName::new(Offset(base)).to_string(), name);
            assert_eq!(SegmentName::parse(name), Some(SegmentName { base: Offset(base) }));
        }
        for bad in
            ["", ".log", "0.log", "00000000000000000000.index", "0000000000000000000+.log"].into_iter().chain(
                ["09223372036854775808.log", "00000000000000000000.log.deleted", "-0000000000000000001.log"],
            )
        {
            assert_eq!(SegmentName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn rolling() {
        let age = |first| SegmentAge { created: TimestampMs(1000), first_timestamp: TimestampMs(first) };
        let append = |size, last, time| NextAppend {
            size,
            last_offset: Offset(last),
            max_timestamp: TimestampMs(time),
        };
        let rules = RollRules { segment_bytes: 1000, segment_ms: 500 };
        // (bytes in the segment, its first timestamp, the append, now) -> roll
        let cases = [
            ("fits", 900, 0, append(100, 9, 0), 0, false),
            ("one byte too many", 900, 0, append(101, 9, 0), 0, true),
            ("spans its time", 10, 100, append(10, 9, 600), 0, false),
            ("spans more", 10, 100, append(10, 9, 601), 0, true),
            ("an empty segment has all time", 0, 100, append(10, 9, 9999), 9999, false),
            ("by the clock", 10, -1, append(10, 9, -1), 1500, false),
            ("by the clock, later", 10, -1, append(10, 9, -1), 1501, true),
            ("offset fits", 10, 0, append(10, 70 + i64::from(i32::MAX), 0), 0, false),
            ("offset too far", 10, 0, append(10, 71 + i64::from(i32::MAX), 0), 0, true),
        ];
        for (name, size, first, append, now, expected) in cases {
            let active = Segment { base: Offset(70), size, max_timestamp: TimestampMs::NONE };
            let append = NextAppend { last_offset: append.last_offset.max(Offset(70)), ..append };
            assert_eq!(
                should_roll(&active, age(first), append, &rules, TimestampMs(now)),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn segments_by_offset() {
        let mut list = SegmentList::new();
        for base in [10, 20, 30] {
            list.push(Segment { base: Offset(base), size: 100, max_timestamp: TimestampMs::NONE });
        }
        let bases = |segments: &[Segment]| segments.iter().map(|s| s.base.0).collect::<Vec<_>>();
        assert_eq!(
            [5, 10, 29, 99].map(|o| list.containing(Offset(o)).map(|s| s.base.0)),
            [None, Some(10), Some(20), Some(30)]
        );
        assert_eq!(list.after(Offset(10)).map(|s| s.base.0), Some(20));
        let mut cut = list.clone();
        assert_eq!(bases(&cut.truncate_from_start(Offset(29))), [10]);
        assert_eq!(bases(&cut.truncate_from_start(Offset(99))), [20]);
        assert_eq!(bases(&list.truncate_from_end(Offset(20), Position(0))), [30]);
        assert_eq!((list.len(), list.total_bytes()), (2, 100));
    }
}
