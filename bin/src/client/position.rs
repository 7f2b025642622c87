//! Where in a log something begins or ends.

use super::clock::now_ms;
use super::moment;

/// A place in a log as users write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    Start,
    End,
    Offset(i64),
    /// So many offsets behind the start.
    AfterStart(i64),
    /// So many offsets before the end.
    BeforeEnd(i64),
    /// The first record that is not older, in milliseconds since 1970.
    Time(i64),
}

/// What the grammar has, for the messages of commands.
pub(crate) const GRAMMAR: &str = "start, end, an offset, +N from the start, -N from the end, or @TIME";

impl Position {
    pub(crate) fn read(text: &str) -> Result<Position, String> {
        match text {
            "start" | "earliest" => return Ok(Position::Start),
            "end" | "latest" => return Ok(Position::End),
            _ => {}
        }
        let offset = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().map_err(|_| format!("{text} is no offset")))
        };
        if let Some(time) = text.strip_prefix('@') {
            let time = read_time(time).filter(|ms| *ms >= 0).map(Position::Time);
            return time.ok_or_else(|| format!("{text} is no time"));
        }
        if let Some(count) = text.strip_prefix('+').and_then(offset) {
            return count.map(Position::AfterStart);
        }
        if let Some(count) = text.strip_prefix('-').and_then(offset) {
            return count.map(Position::BeforeEnd);
        }
        if let Some(offset) = offset(text) {
            return offset.map(Position::Offset);
        }
        let time = moment::read(text).filter(|ms| *ms >= 0).map(Position::Time);
        time.ok_or_else(|| format!("it is none of {GRAMMAR}"))
    }

    /// The time whose record is asked for.
    pub(crate) fn time(self) -> Option<i64> {
        match self {
            Position::Time(ms) => Some(ms),
            _ => None,
        }
    }
}

/// Milliseconds since 1970, a time of ISO 8601, or how long ago: `-90s`, `-10m`, `-6h`, `-2d`.
fn read_time(text: &str) -> Option<i64> {
    if let Some(ago) = text.strip_prefix('-') {
        return Some(now_ms() - read_duration_ms(ago)?);
    }
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => moment::read(text),
    }
}

fn read_duration_ms(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let unit_ms: i64 = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let count = text.strip_suffix(unit)?;
    let count: i64 = count.bytes().all(|byte| byte.is_ascii_digit()).then(|| count.parse().ok()).flatten()?;
    count.checked_mul(unit_ms)
}

/// The offset that is taken for a position in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sought {
    pub(crate) offset: i64,
    /// Why it is not just what was asked for.
    pub(crate) note: Option<&'static str>,
}

/// The offset of one partition whose log is `start..end`, within it.
pub(crate) fn within(asked: i64, start: i64, end: i64) -> Sought {
    if asked < start {
        return Sought { offset: start, note: Some("the log begins later") };
    }
    if asked > end {
        return Sought { offset: end, note: Some("the log ends earlier") };
    }
    Sought { offset: asked, note: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_told_apart() {
        for (text, expected) in [
            ("start", Some(Position::Start)),
            ("earliest", Some(Position::Start)),
            ("end", Some(Position::End)),
            ("latest", Some(Position::End)),
            ("0", Some(Position::Offset(0))),
            ("1700000000000", Some(Position::Offset(1_700_000_000_000))),
            ("+5", Some(Position::AfterStart(5))),
            ("-5", Some(Position::BeforeEnd(5))),
            ("@1700000000000", Some(Position::Time(1_700_000_000_000))),
            ("@1970-01-01T00:00:01Z", Some(Position::Time(1000))),
            ("1970-01-01T00:00:01", Some(Position::Time(1000))),
            ("99999999999999999999", None),
            ("-99999999999999999999", None),
            ("1969-12-31", None),
            ("@1969-12-31", None),
            ("@-1", None),
            ("@-1w", None),
            ("@-99999999999999999d", None),
            ("@--1d", None),
            ("@", None),
            ("-", None),
            ("+-1", None),
            ("--1", None),
            ("first", None),
            ("", None),
        ] {
            assert_eq!(Position::read(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times_may_be_said_by_how_long_ago() {
        for (text, ago_ms) in [("@-0s", 0), ("@-90s", 90_000), ("@-10m", 600_000), ("@-6h", 21_600_000)] {
            let before = now_ms() - ago_ms;
            let Ok(Position::Time(ms)) = Position::read(text) else { panic!("{text} is a time") };
            assert!((before..=before + 60_000).contains(&ms), "{text}: {ms} is not {before}");
        }
    }

    #[test]
    fn offsets_stay_within_the_log() {
        for (asked, offset, is_noted) in
            [(5, 10, true), (10, 10, false), (15, 15, false), (20, 20, false), (21, 20, true)]
        {
            let sought = within(asked, 10, 20);
            assert_eq!((sought.offset, sought.note.is_some()), (offset, is_noted), "{asked}");
        }
    }
}
