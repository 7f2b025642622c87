//! What a rule says about one place.

use std::fmt;

/// A broken rule: where, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// Path from the root of the repository.
    pub(super) path: String,
    /// Counted from 1.
    pub(super) line: usize,
    /// Short name of the rule.
    pub(super) rule: &'static str,
    /// What is wrong there, and what to do.
    pub(super) text: String,
}

impl Finding {
    pub(super) fn new(path: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, rule, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.text)
    }
}
