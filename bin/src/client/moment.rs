//! Moments as people write them.

use jiff::SignedDuration;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::DateTimeParser;

static PARSER: DateTimeParser = DateTimeParser::new();

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const NANOS_PER_MS: i128 = 1_000_000;

/// Zones as they may stand behind a time, with zeros for digits.
const ZONES: [&str; 3] = ["Z", "+00:00", "-00:00"];
/// A fraction of a second has so many digits at most.
const FRACTION_DIGITS_MAX: usize = 9;

/// Reads ISO 8601: `2026-11-22`, `2026-11-22T18:30`, `2026-11-22T18:30:05.250`, each with `Z` or `+01:00`
/// behind it; without a zone it is UTC. Answers milliseconds since 1970.
pub(super) fn read(text: &str) -> Option<i64> {
    if !is_of_our_forms(text) {
        return None;
    }
    let pieces = PARSER.parse_pieces(text).ok()?;
    let moment = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let zone_seconds = pieces.to_numeric_offset().map_or(0, |zone| zone.seconds());
    let since_epoch = moment.duration_since(EPOCH) - SignedDuration::from_secs(zone_seconds.into());
    i64::try_from(since_epoch.as_nanos().div_euclid(NANOS_PER_MS)).ok()
}

/// The parser knows more forms of ISO 8601, and takes a leap second for the second before it.
fn is_of_our_forms(text: &str) -> bool {
    let shape: String =
        text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    let Some(behind_date) = shape.strip_prefix("0000-00-00") else { return false };
    if behind_date.is_empty() {
        return true;
    }
    let Some(time) = behind_date.strip_prefix(['T', ' ']) else { return false };
    let before_zone = ZONES.iter().find_map(|zone| time.strip_suffix(zone));
    let time = before_zone.unwrap_or(time);
    let has_fraction = |time: &str| {
        let digits = time.strip_prefix("00:00:00.").unwrap_or_default();
        (1..=FRACTION_DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|digit| digit == b'0')
    };
    let is_leap_second = text.get(16..19).is_some_and(|seconds| seconds == ":60");
    (time == "00:00" || time == "00:00:00" || has_fraction(time)) && !is_leap_second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_iso_8601_has_them() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("1970-01-01T00:00:00.001Z", Some(1)),
            ("1969-12-31T23:59:59.999", Some(-1)),
            ("2000-02-29T12:00", Some(951_825_600_000)),
            ("2026-11-22T18:30:05.25Z", Some(1_795_372_205_250)),
            ("2026-11-22 18:30:05.250999", Some(1_795_372_205_250)),
            ("2026-11-22T19:30:05.250+01:00", Some(1_795_372_205_250)),
            ("2026-11-22T13:00:05.250-05:30", Some(1_795_372_205_250)),
            ("2026-13-01", None),
            ("2026-02-29", None),
            ("2026-11-22T24:00", None),
            ("2026-11-22T18", None),
            ("2026-11-22T18:30:05.", None),
            ("2026-11-22TZ", None),
            ("2026-11-22T18:30+1:00", None),
            ("26-11-22", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
