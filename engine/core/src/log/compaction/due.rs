//! When a log is due for compaction and what part of it (Kafka: `LogCleanerManager.cleanableOffsets`,
//! `maxCompactionDelay`, `LogToClean`), and which of its segments become one (`Cleaner.groupSegmentsBySize`).

use std::ops::Range;

use crate::base::{Offset, TimestampMs};

/// What a topic says of its compaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactionRules {
    /// `min.cleanable.dirty.ratio`.
    pub min_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_lag_ms: i64,
}

/// One segment that takes no more appends and is whole and hard in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirtySegment {
    pub base: Offset,
    /// In bytes.
    pub size: u64,
    /// Of all its records; one whose records bear no time has that of its last append.
    pub max_timestamp: TimestampMs,
}

/// A log as compaction sees it.
#[derive(Debug, Clone, Copy)]
pub struct DirtyLog<'a> {
    /// From the log's first on, without a gap.
    pub segments: &'a [DirtySegment],
    /// The offset behind them: of the active segment, or of one that is not hard yet.
    pub end: Offset,
    /// What lies below was compacted.
    pub cleaned_to: Offset,
}

/// What of a log may be compacted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The first dirty offset: keys are learnt from here on.
    pub dirty: Offset,
    /// What lies from here on is not touched.
    pub end: Offset,
    pub clean_bytes: u64,
    pub dirty_bytes: u64,
}

impl DirtyLog<'_> {
    /// What may be compacted at the time `now`: below the first segment that holds a record younger than the
    /// least lag.
    pub fn reach(&self, rules: &CompactionRules, now: TimestampMs) -> Reach {
        let first = self.segments.first().map_or(self.end, |first| first.base);
        // A log that was cut below what was compacted, or that begins behind it, is dirty from its beginning.
        let is_inside = (first..=self.end).contains(&self.cleaned_to);
        let dirty = if is_inside { self.cleaned_to } else { first };
        let from = self.place_of(dirty);
        let young = |segment: &&DirtySegment| {
            rules.min_lag_ms > 0 && segment.max_timestamp.0 > now.0.saturating_sub(rules.min_lag_ms)
        };
        let end = self.segments.get(from..).unwrap_or_default().iter().find(young);
        let end = end.map_or(self.end, |young| young.base).max(dirty);
        let bytes = |segments: &[DirtySegment]| segments.iter().map(|segment| segment.size).sum();
        let to = self.segments.partition_point(|segment| segment.base < end);
        let clean = self.segments.partition_point(|segment| segment.base < dirty);
        Reach {
            dirty,
            end,
            clean_bytes: bytes(self.segments.get(..clean).unwrap_or_default()),
            dirty_bytes: bytes(self.segments.get(from.min(to)..to).unwrap_or_default()),
        }
    }

    /// The segments whose first times decide whether the log has waited too long.
    pub fn dirty_segments(&self, reach: &Reach) -> &[DirtySegment] {
        self.segments.get(self.place_of(reach.dirty)..).unwrap_or_default()
    }

    /// The place of the segment that holds `offset`; behind the last where none does.
    fn place_of(&self, offset: Offset) -> usize {
        if offset >= self.end {
            return self.segments.len();
        }
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }
}

impl Reach {
    /// The share of dirty bytes.
    pub fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes + self.dirty_bytes;
        if total == 0 { 0.0 } else { self.dirty_bytes as f64 / total as f64 }
    }

    /// Whether the log is to be compacted now; `earliest` is the least time of a first batch among its dirty
    /// segments.
    pub fn is_due(&self, rules: &CompactionRules, earliest: Option<TimestampMs>, now: TimestampMs) -> bool {
        self.dirty_bytes > 0
            && (self.is_overdue(rules, earliest, now) || self.dirty_ratio() > rules.min_dirty_ratio)
    }

    /// Whether records have waited for longer than the greatest lag.
    pub fn is_overdue(
        &self,
        rules: &CompactionRules,
        earliest: Option<TimestampMs>,
        now: TimestampMs,
    ) -> bool {
        self.delay_ms(rules, earliest, now) > 0
    }

    /// For how long records have waited beyond the greatest lag.
    pub fn delay_ms(&self, rules: &CompactionRules, earliest: Option<TimestampMs>, now: TimestampMs) -> u64 {
        let until = now.0.saturating_sub(rules.max_lag_ms.max(0));
        let earliest = earliest.filter(|earliest| earliest.0 > 0).map_or(until, |earliest| earliest.0);
        u64::try_from(until.saturating_sub(earliest)).unwrap_or(0)
    }
}

/// Segments that become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentGroup {
    /// Places among the log's segments.
    pub places: Range<usize>,
    /// The base of the first of them, and of what comes out.
    pub base: Offset,
    /// The offset behind the last.
    pub end: Offset,
}

/// Puts the segments below `to` into groups, each of at most `bytes_max` unless one alone is larger,
/// whose offsets fit a segment.
pub fn group_segments(log: &DirtyLog<'_>, to: Offset, bytes_max: u64) -> Vec<SegmentGroup> {
    let mut groups: Vec<SegmentGroup> = Vec::new();
    let mut bytes = 0u64;
    let ends = log.segments.iter().skip(1).map(|next| next.base).chain([log.end]);
    for (place, (segment, end)) in log.segments.iter().zip(ends).enumerate() {
        if segment.base >= to {
            break;
        }
        let fits = |group: &SegmentGroup| {
            bytes.saturating_add(segment.size) <= bytes_max && end.0 - group.base.0 <= i64::from(i32::MAX)
        };
        match groups.last_mut().filter(|group| fits(group)) {
            Some(group) => {
                (group.places.end, group.end) = (place + 1, end);
                bytes += segment.size;
            }
            None => {
                groups.push(SegmentGroup { places: place..place + 1, base: segment.base, end });
                bytes = segment.size;
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, by: char) -> Vec<i64> {
        text.split(by).map(|number| number.trim().parse().unwrap()).collect()
    }

    fn segments(text: &str) -> Vec<DirtySegment> {
        let of = |text: &str| {
            let [base, size, time] = numbers(text, ':')[..] else { panic!("{text}") };
            DirtySegment { base: Offset(base), size: size as u64, max_timestamp: TimestampMs(time) }
        };
        text.split_whitespace().map(of).collect()
    }

    /// Segments as base:size:max timestamp, where they end, what was cleaned, ratio in percent and lags, the
    /// earliest time of a dirty segment (-1: none), now; first dirty offset, end, clean and dirty bytes,
    /// and whether it is due.
    const CASES: &str = "
        0:100:5 10:100:6 20:50:7 | 30 0  | 50 0 999  | -1 | 50 | 0 30 0 250 due
        0:100:5 10:100:6 20:50:7 | 30 10 | 50 0 999  | -1 | 50 | 10 30 100 150 due
        0:100:5 10:100:6 20:50:7 | 30 10 | 60 0 999  | -1 | 50 | 10 30 100 150 -
        0:100:5 10:100:6 20:50:7 | 30 20 | 50 0 999  | -1 | 50 | 20 30 200 50 -
        0:100:5 10:100:6 20:50:7 | 30 30 | 0 0 999   | 1  | 5000 | 30 30 250 0 -
        0:100:5 10:100:6 20:50:7 | 30 15 | 50 0 999  | -1 | 50 | 15 30 200 150 -
        0:100:5 10:100:6 20:50:7 | 30 31 | 50 0 999  | -1 | 50 | 0 30 0 250 due
        5:100:5 10:100:6 20:50:7 | 30 2  | 50 0 999  | -1 | 50 | 5 30 0 250 due
        0:100:5 10:100:6 20:50:7 | 30 0  | 50 45 999 | -1 | 50 | 0 10 0 100 due
        0:100:5 10:100:6 20:50:7 | 30 0  | 50 44 999 | -1 | 50 | 0 20 0 200 due
        0:100:5 10:100:6 20:50:7 | 30 0  | 50 46 999 | -1 | 50 | 0 0 0 0 -
        0:100:5 10:100:9 20:50:7 | 30 10 | 0 45 999  | -1 | 53 | 10 10 100 0 -
        0:100:5 10:100:6 20:50:7 | 30 20 | 50 0 40   | 9  | 50 | 20 30 200 50 due
        0:100:5 10:100:6 20:50:7 | 30 20 | 50 0 40   | 10 | 50 | 20 30 200 50 -
        0:100:5 10:100:6 20:50:7 | 30 20 | 50 0 40   | 0  | 50 | 20 30 200 50 -
                                 | 7 0   | 0 0 999   | -1 | 50 | 7 7 0 0 -
    ";

    #[test]
    fn dirty_logs_are_due() {
        for line in CASES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [text, ends, rules, earliest, now, expected] = fields[..] else { panic!("{line}") };
            let segments = segments(text);
            let [end, cleaned] = numbers(ends, ' ')[..] else { panic!("{line}") };
            let [percent, min, max] =
                rules.split_whitespace().map(|number| number.parse().unwrap()).collect::<Vec<i64>>()[..]
            else {
                panic!("{line}")
            };
            let rules =
                CompactionRules { min_dirty_ratio: percent as f64 / 100.0, min_lag_ms: min, max_lag_ms: max };
            let log = DirtyLog { segments: &segments, end: Offset(end), cleaned_to: Offset(cleaned) };
            let now = TimestampMs(now.parse().unwrap());
            let earliest: i64 = earliest.parse().unwrap();
            let reach = log.reach(&rules, now);
            let due = reach.is_due(&rules, (earliest >= 0).then_some(TimestampMs(earliest)), now);
            let Reach { dirty, end, clean_bytes, dirty_bytes } = reach;
            let due = if due { "due" } else { "-" };
            assert_eq!(format!("{dirty} {end} {clean_bytes} {dirty_bytes} {due}"), expected, "{line}");
        }
    }

    #[test]
    fn records_wait_beyond_the_greatest_lag() {
        // The greatest lag, the earliest time, now; for how long.
        let cases = [
            (40, Some(9), 50, 1),
            (40, Some(10), 50, 0),
            (40, Some(0), 50, 0),
            (40, None, 50, 0),
            (0, Some(1), 50, 49),
            (i64::MAX, Some(1), 50, 0),
        ];
        let reach = DirtyLog { segments: &[], end: Offset(0), cleaned_to: Offset(0) };
        for (max_lag_ms, earliest, now, expected) in cases {
            let rules = CompactionRules { min_dirty_ratio: 0.5, min_lag_ms: 0, max_lag_ms };
            let now = TimestampMs(now);
            let delay = reach.reach(&rules, now).delay_ms(&rules, earliest.map(TimestampMs), now);
            assert_eq!(delay, expected, "lag {max_lag_ms}, earliest {earliest:?}");
        }
    }

    #[test]
    fn small_segments_become_one() {
        // Segments, where they end, up to which offset, the most bytes of a group; places,
        // base and end of each group.
        let cases = [
            ("0:100:0 10:100:0 20:50:0", 30, 30, 250, "0..3 0-30"),
            ("0:100:0 10:100:0 20:50:0", 30, 30, 249, "0..2 0-20, 2..3 20-30"),
            ("0:100:0 10:100:0 20:50:0", 30, 20, 250, "0..2 0-20"),
            ("0:100:0 10:100:0 20:50:0", 30, 21, 250, "0..3 0-30"),
            ("0:100:0 10:100:0 20:50:0", 30, 30, 10, "0..1 0-10, 1..2 10-20, 2..3 20-30"),
            ("0:1:0 5:1:0", 2_147_483_648, 9, 99, "0..1 0-5, 1..2 5-2147483648"),
            ("0:1:0 5:1:0", 2_147_483_647, 9, 99, "0..2 0-2147483647"),
            ("", 3, 3, 99, ""),
        ];
        for (text, end, to, bytes_max, expected) in cases {
            let segments = segments(text);
            let log = DirtyLog { segments: &segments, end: Offset(end), cleaned_to: Offset::ZERO };
            let groups = group_segments(&log, Offset(to), bytes_max);
            let shown: Vec<String> = groups
                .iter()
                .map(|group| format!("{:?} {}-{}", group.places, group.base, group.end))
                .collect();
            assert_eq!(shown.join(", "), expected, "{text} to {to} in {bytes_max}");
        }
    }
}
