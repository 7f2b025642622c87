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
    /// Where the rule may still be broken, as `debts.txt` says; without it the rule holds everywhere.
    pub(super) owed: Option<Owed>,
}

/// The part of a finding in the count of a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owed {
    /// A file, a folder, or `crate:Name`.
    pub(super) place: String,
    pub(super) count: usize,
}

impl Finding {
    pub(super) fn new(path: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, rule, text: text.into(), owed: None }
    }

    /// The same finding, as `count` of what `place` owes.
    pub(super) fn owed_by(self, place: impl Into<String>, count: usize) -> Finding {
        Finding { owed: Some(Owed { place: place.into(), count }), ..self }
    }

    /// One more of what its own file owes.
    pub(super) fn owed_by_file(self) -> Finding {
        let path = self.path.clone();
        self.owed_by(path, 1)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.text)
    }
}
