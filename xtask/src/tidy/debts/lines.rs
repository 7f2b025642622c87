//! The file of debts: `rule<TAB>place<TAB>count`, one line for each place, sorted; `#` begins a comment.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Where the debts stand.
pub(in crate::tidy) const DEBTS: &str = "xtask/src/tidy/debts.txt";

/// A rule and a place.
pub(super) type Key = (String, String);

/// What a place may owe, and the line that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) count: usize,
    /// Counted from 1.
    pub(super) line: usize,
}

/// The debts, and what is wrong with the file itself.
#[derive(Default)]
pub(super) struct Debts {
    /// Comments before the first line.
    head: Vec<String>,
    pub(super) allowed: BTreeMap<Key, Allowed>,
    pub(super) broken: Vec<(usize, String)>,
}

impl Debts {
    pub(super) fn read(text: &str) -> Debts {
        let mut debts = Debts::default();
        let mut last = None;
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') {
                debts.head.push(line.to_owned());
                continue;
            }
            let Some((key, count)) = entry(line) else {
                debts
                    .broken
                    .push((index + 1, "this is no rule, place and count with tabs between".to_owned()));
                continue;
            };
            if last.as_ref().is_some_and(|last| *last >= key) {
                debts.broken.push((index + 1, "lines are sorted, and each place has one".to_owned()));
            }
            debts.allowed.insert(key.clone(), Allowed { count, line: index + 1 });
            last = Some(key);
        }
        debts
    }

    /// The file with what `counts` says instead.
    pub(super) fn print(&self, counts: &BTreeMap<Key, usize>) -> String {
        let mut text: String = self.head.iter().map(|line| format!("{line}\n")).collect();
        for ((rule, place), count) in counts.iter().filter(|(_, count)| **count > 0) {
            let written = writeln!(text, "{rule}\t{place}\t{count}");
            debug_assert!(written.is_ok(), "a string takes what is written to it");
        }
        text
    }
}

fn entry(line: &str) -> Option<(Key, usize)> {
    let mut parts = line.split('\t');
    let (rule, place, count) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && !rule.is_empty() && !place.is_empty();
    let count = count.parse().ok().filter(|count| is_whole && *count > 0)?;
    Some(((rule.to_owned(), place.to_owned()), count))
}
