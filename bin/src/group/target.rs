//! Where a group is to go on reading.

use super::moment;

/// What `--to` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeekTarget {
    Earliest,
    Latest,
    Offset(i64),
    /// Milliseconds since 1970.
    Time(i64),
}

impl SeekTarget {
    pub(super) fn read(text: &str) -> Result<SeekTarget, String> {
        match text {
            "earliest" => return Ok(SeekTarget::Earliest),
            "latest" => return Ok(SeekTarget::Latest),
            _ => {}
        }
        if let Some(ms) = text.strip_prefix('@') {
            let ms = ms.parse().ok().filter(|ms| *ms >= 0);
            return ms.map(SeekTarget::Time).ok_or_else(|| format!("{text} is no number of milliseconds"));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return text.parse().map(SeekTarget::Offset).map_err(|_| format!("{text} is no offset"));
        }
        let time = moment::read(text).filter(|ms| *ms >= 0).map(SeekTarget::Time);
        time.ok_or_else(|| "it is neither earliest, latest, an offset nor a time of ISO 8601".to_owned())
    }
}

/// What becomes of one partition's committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sought {
    pub(super) offset: i64,
    /// Why it is not just what was asked for.
    pub(super) note: Option<&'static str>,
}

/// The offset of one partition whose log is `start..end`, within it.
pub(super) fn within(asked: i64, start: i64, end: i64) -> Sought {
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
    fn targets_are_told_apart() {
        for (text, expected) in [
            ("earliest", Some(SeekTarget::Earliest)),
            ("latest", Some(SeekTarget::Latest)),
            ("0", Some(SeekTarget::Offset(0))),
            ("1700000000000", Some(SeekTarget::Offset(1_700_000_000_000))),
            ("@1700000000000", Some(SeekTarget::Time(1_700_000_000_000))),
            ("1970-01-01T00:00:01", Some(SeekTarget::Time(1000))),
            ("99999999999999999999", None),
            ("1969-12-31", None),
            ("@-1", None),
            ("-1", None),
            ("first", None),
            ("", None),
        ] {
            assert_eq!(SeekTarget::read(text).ok(), expected, "{text}");
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
