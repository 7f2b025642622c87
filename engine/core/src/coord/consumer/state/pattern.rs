//! Subscription by regular expression: what is a pattern, and which topics it matches.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use crate::base::TimestampMs;
use crate::base::pattern::whole_name;
use crate::coord::ids::Now;
use crate::coord::settings::GroupSettings;

/// A pattern may compile to this much; longer ones would cost every group of the shard.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// Nor may it be longer: a pattern is read, twice, before it is known what it compiles to.
/// The names of a thousand topics fit.
const PATTERN_LENGTH_MAX: usize = 32 * 1024;

/// Metadata that changed makes patterns match anew, but not more often than this. Kafka's constant.
const REFRESH_PAUSE_MS: i64 = 10_000;

/// What is wrong with a pattern, in the words of RE2/J.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::coord::consumer) struct PatternFault(String);

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern that members subscribe to.
#[derive(Debug, Clone, Default)]
pub(in crate::coord::consumer) struct Watched {
    resolved: Option<Resolved>,
}

/// What a pattern matched.
#[derive(Debug, Clone)]
pub(in crate::coord::consumer) struct Resolved {
    pub(in crate::coord::consumer) topics: Vec<Arc<str>>,
    /// Of the metadata.
    pub(in crate::coord::consumer) version: u64,
    pub(in crate::coord::consumer) at: TimestampMs,
}

impl Watched {
    pub(in crate::coord::consumer) fn of(resolved: Resolved) -> Watched {
        Watched { resolved: Some(resolved) }
    }

    pub(in crate::coord::consumer) fn is_resolved(&self) -> bool {
        self.resolved.is_some()
    }

    pub(in crate::coord::consumer) fn resolved(&self) -> Option<&Resolved> {
        self.resolved.as_ref()
    }

    pub(in crate::coord::consumer) fn topics(&self) -> &[Arc<str>] {
        self.resolved.as_ref().map_or(&[], |resolved| &resolved.topics)
    }

    pub(in crate::coord::consumer) fn is_due(
        &self,
        version: u64,
        now: Now,
        settings: &GroupSettings,
    ) -> bool {
        let Some(resolved) = &self.resolved else { return true };
        // A clock that was set back makes it due, too.
        let age_ms = now.wall.0.saturating_sub(resolved.at.0);
        let pause_ms = match resolved.version == version {
            true => settings.consumer_pattern_refresh_interval_ms,
            false => REFRESH_PAUSE_MS,
        };
        !(0..pause_ms).contains(&age_ms)
    }

    pub(in crate::coord::consumer) fn held_bytes(&self) -> usize {
        size_of::<Watched>() + size_of_val(self.topics())
    }
}

/// A pattern matches a topic's whole name, as RE2 has them.
pub(in crate::coord::consumer) fn compile(pattern: &str) -> Result<Regex, PatternFault> {
    if pattern.len() > PATTERN_LENGTH_MAX {
        return Err(PatternFault(format!("pattern is longer than {PATTERN_LENGTH_MAX} bytes")));
    }
    whole_name(pattern, |builder| builder.size_limit(COMPILED_BYTES_MAX)).map_err(fault)
}

fn fault(error: regex::Error) -> PatternFault {
    let said = error.to_string();
    // The library shows the pattern first; the reason stands in the last line.
    let reason = said.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
    let words = [
        ("unclosed group", "missing closing )"),
        ("unopened group", "unexpected )"),
        ("unclosed character class", "missing closing ]"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
        (
            "incomplete escape sequence, reached end of pattern prematurely",
            "trailing backslash at end of expression",
        ),
        ("unrecognized escape sequence", "invalid escape sequence"),
        ("invalid character class range", "invalid character class range"),
        (
            "look-around, including look-ahead and look-behind, is not supported",
            "invalid or unsupported Perl syntax",
        ),
        ("backreferences are not supported", "invalid escape sequence"),
    ];
    let known = words.iter().find(|(ours, _)| reason.starts_with(ours));
    PatternFault(known.map_or(reason, |(_, words)| words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let cases = [
            ("a.*", "abc", true),
            ("b", "abc", false),
            ("a|abc", "abc", true),
            ("a|b", "ab", false),
            ("^a.c$", "abc", true),
            ("p[0-9]+-x", "p12-x", true),
            ("(?i)ABC", "abc", true),
            ("", "", true),
        ];
        for (pattern, name, matches) in cases {
            assert_eq!(compile(pattern).unwrap().is_match(name), matches, "{pattern} on {name}");
        }
    }

    #[test]
    fn faults_are_told_in_kafkas_words() {
        let cases = [
            ("(", "missing closing )"),
            ("a)", "unexpected )"),
            (")(", "unexpected )"),
            ("[a", "missing closing ]"),
            ("*", "missing argument to repetition operator"),
            ("a\\", "trailing backslash at end of expression"),
            ("(?=a)", "invalid or unsupported Perl syntax"),
            ("(a)\\1", "invalid escape sequence"),
        ];
        for (pattern, words) in cases {
            assert_eq!(compile(pattern).unwrap_err().to_string(), words, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_has_an_end() {
        let names = |bytes: usize| "topic-17|".repeat(bytes / 9);
        assert!(compile(&names(PATTERN_LENGTH_MAX)).is_ok());
        let refused = compile(&names(PATTERN_LENGTH_MAX + 9)).unwrap_err();
        assert_eq!(refused.to_string(), "pattern is longer than 32768 bytes");
    }
}
