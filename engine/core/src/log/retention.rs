//! Retention: where a log shall begin, by age, by size and by what was deleted already, as Kafka's
//! `UnifiedLog.deleteOldSegments` decides.

use super::segments::Segment;
use crate::base::{Offset, TimestampMs};

/// What a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRules {
    /// `retention.ms`; negative: no limit.
    pub retention_ms: i64,
    /// `retention.bytes`; negative: no limit.
    pub retention_bytes: i64,
}

/// A log as retention sees it. `segments` is never empty; the last one is active. Every segment's
/// `max_timestamp` is real: who does not know it gives the latest time that it may be.
#[derive(Debug, Clone, Copy)]
pub struct RetainedLog<'a> {
    pub segments: &'a [Segment],
    pub high_watermark: Offset,
    pub log_end_offset: Offset,
}

/// Segments that shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// How many, from the oldest on.
    pub segments: usize,
    /// The offset behind them, with which the log begins then.
    pub start: Offset,
    /// The active segment is one of them: a new one begins at the log's end before it goes.
    pub rolls: bool,
}

impl RetainedLog<'_> {
    /// The oldest segments that no rule keeps; `None` where every one is kept. What readers cannot see yet is
    /// kept, and so is an empty active segment.
    pub fn expired(&self, rules: &RetentionRules, now: TimestampMs) -> Option<Expired> {
        let by_size = self.over_size(rules.retention_bytes);
        let by_time = self.segments.iter().take_while(|segment| is_too_old(segment, rules, now)).count();
        let wanted = by_size.max(by_time);
        let ends = self.segments.iter().skip(1).map(|next| next.base).chain([self.log_end_offset]);
        let visible = ends.clone().take_while(|end| *end <= self.high_watermark).count();
        let mut count = wanted.min(visible);
        let is_active = count == self.segments.len();
        if is_active && self.segments.last().is_none_or(|active| active.size == 0) {
            count = count.checked_sub(1)?;
        }
        let start = ends.take(count).last()?;
        Some(Expired { segments: count, start, rolls: count == self.segments.len() })
    }

    /// How many of the oldest can go so that the rest still is as long as the limit.
    fn over_size(&self, retention_bytes: i64) -> usize {
        let Ok(limit) = u64::try_from(retention_bytes) else { return 0 };
        let total: u64 = self.segments.iter().map(|segment| segment.size).sum();
        let mut over = total.saturating_sub(limit);
        let goes = |segment: &&Segment| match over.checked_sub(segment.size) {
            Some(rest) if total >= limit => {
                over = rest;
                true
            }
            _ => false,
        };
        self.segments.iter().take_while(goes).count()
    }
}

fn is_too_old(segment: &Segment, rules: &RetentionRules, now: TimestampMs) -> bool {
    rules.retention_ms >= 0 && now.0.saturating_sub(segment.max_timestamp.0) > rules.retention_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments as base:size:max timestamp, high watermark and log end, the rules, now; how many go, where
    /// the log begins then, and `roll` if the active one goes.
    const CASES: &str = "
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 -1   | 999 | -
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 150  | 999 | 1 10
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 151  | 999 | -
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 50   | 999 | 2 20
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 1    | 999 | 2 20
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 0    | 999 | 3 30 roll
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 250  | 999 | -
        0:100:5 10:100:6 20:50:7    | 30 30 | -1 900  | 999 | -
        0:100:5 10:100:6 20:50:7    | 30 30 | 10 -1   | 15  | -
        0:100:5 10:100:6 20:50:7    | 30 30 | 10 -1   | 16  | 1 10
        0:100:5 10:100:6 20:50:7    | 30 30 | 10 -1   | 17  | 2 20
        0:100:5 10:100:6 20:50:7    | 30 30 | 10 -1   | 18  | 3 30 roll
        0:100:5 10:100:6 20:50:7    | 30 30 | 10 50   | 16  | 2 20
        0:100:9 10:100:6 20:50:7    | 30 30 | 10 -1   | 18  | -
        0:100:5 10:100:6 20:50:7    | 19 30 | 10 -1   | 99  | 1 10
        0:100:5 10:100:6 20:50:7    | 9 30  | 10 -1   | 99  | -
        0:100:5 10:100:6 20:50:7    | 29 30 | 10 -1   | 99  | 2 20
        0:100:5 30:0:5              | 30 30 | 10 0    | 99  | 1 30
        30:0:5                      | 30 30 | 10 0    | 99  | -
        0:100:500                   | 30 30 | 10 -1   | 99  | -
        0:100:5                     | 30 30 | 0 -1    | 5   | -
        0:100:5                     | 30 30 | 0 -1    | 6   | 1 30 roll
    ";

    #[test]
    fn the_oldest_segments_go() {
        for line in CASES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [segments, ends, rules, now, expected] = fields[..] else { panic!("{line}") };
            let numbers = |text: &str, by: char| -> Vec<i64> {
                text.split(by).map(|number| number.parse().unwrap()).collect()
            };
            let segments: Vec<Segment> = segments
                .split(' ')
                .map(|text| {
                    let [base, size, time] = numbers(text, ':')[..] else { panic!("{line}") };
                    Segment { base: Offset(base), size: size as u64, max_timestamp: TimestampMs(time) }
                })
                .collect();
            let [high_watermark, log_end_offset] = numbers(ends, ' ')[..] else { panic!("{line}") };
            let [retention_ms, retention_bytes] = numbers(rules, ' ')[..] else { panic!("{line}") };
            let log = RetainedLog {
                segments: &segments,
                high_watermark: Offset(high_watermark),
                log_end_offset: Offset(log_end_offset),
            };
            let rules = RetentionRules { retention_ms, retention_bytes };
            let expired = log.expired(&rules, TimestampMs(now.parse().unwrap()));
            let shown = expired.map_or("-".to_owned(), |expired| {
                let roll = if expired.rolls { " roll" } else { "" };
                format!("{} {}{roll}", expired.segments, expired.start)
            });
            assert_eq!(shown, expected, "{line}");
        }
    }
}
