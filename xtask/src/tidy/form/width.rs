//! Lines are as long as rustfmt lets code be, comments among them.

use crate::tidy::finding::Finding;
use crate::tidy::source::{RustFile, Tree};

/// Where rustfmt keeps its settings.
const SETTINGS: &str = "rustfmt.toml";

/// What rustfmt takes when it is told nothing.
const COLUMNS: usize = 100;

/// The quotes around a word that stands on a line alone.
const QUOTES: usize = 2;

/// Columns of the longest line.
pub(in crate::tidy) fn columns(tree: &Tree) -> usize {
    let settings = tree.text(SETTINGS).unwrap_or_default();
    let value = settings.lines().find_map(|line| line.strip_prefix("max_width")?.trim().strip_prefix('='));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(COLUMNS)
}

pub(super) fn check(file: &RustFile, columns: usize, findings: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let length = line.chars().count();
        let is_raw = || file.raw_strings.iter().any(|range| range.contains(&(index + 1)));
        if length > columns && !is_raw() && can_be_broken(line, columns) {
            let text = format!(
                "{length} columns, more than {columns}; break the line (`cargo xtask wrap` breaks comments)"
            );
            findings.push(Finding::new(&file.path, index + 1, "width", text).owed_by_file());
        }
    }
}

/// Whether every word fits on a line of its own; an address may not.
fn can_be_broken(line: &str, columns: usize) -> bool {
    let code = line.trim_start();
    let indent = line.chars().count() - code.chars().count();
    let comment = code.split(' ').next().filter(|first| first.starts_with("//"));
    let begin = indent + comment.map_or(QUOTES, |first| first.len() + 1);
    let longest = code.split_whitespace().map(|word| word.chars().count()).max();
    begin + longest.unwrap_or(0) <= columns
}
