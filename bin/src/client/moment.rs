//! Moments as people write them.

const MS_PER_DAY: i64 = 24 * 3_600_000;

/// Reads ISO 8601: `2026-11-22`, `2026-11-22T18:30`, `2026-11-22T18:30:05.250`, each with `Z` or `+01:00`
/// behind it; without a zone it is UTC. Answers milliseconds since 1970.
pub(super) fn read(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let (time, zone_ms) = split_zone(time)?;
    let mut fields = date.splitn(3, '-');
    let (year, month, day) =
        (digits(fields.next()?, 4)?, digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let of_day = if time.is_empty() { 0 } else { read_time(time)? };
    Some(days_since_1970(year, month, day) * MS_PER_DAY + of_day - zone_ms)
}

/// What stands before the zone, and how far the zone is ahead of UTC, in milliseconds.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return (!time.is_empty()).then_some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (time, zone) = time.split_at_checked(at)?;
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let ahead_ms = (digits(hours, 2)? * 60 + digits(minutes, 2)?) * 60_000;
    Some((time, if zone.starts_with('-') { -ahead_ms } else { ahead_ms }))
}

/// Milliseconds since midnight.
fn read_time(time: &str) -> Option<i64> {
    let mut fields = time.splitn(3, ':');
    let (hours, minutes) = (digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    let (seconds, fraction) = match fields.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (digits(seconds, 2)?, 0),
            Some((seconds, fraction)) => (digits(seconds, 2)?, milliseconds(fraction)?),
        },
    };
    let is_time = hours < 24 && minutes < 60 && seconds < 60;
    is_time.then_some((hours * 60 + minutes) * 60_000 + seconds * 1000 + fraction)
}

/// The first three digits of a fraction of a second.
fn milliseconds(fraction: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{fraction:0<3}")).and_then(|padded| padded.get(..3)?.parse().ok())
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days_before = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let years = (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970);
    years + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
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
