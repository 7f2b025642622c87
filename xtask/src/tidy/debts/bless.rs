//! Lowers the lines of the file of debts to what is owed, and lets them follow files that moved.

use super::lines::{Debts, Key};
use super::settle::counts;
use crate::tidy::finding::Finding;
use std::collections::BTreeMap;

/// The file of debts after what was paid. No line is raised, and none added but for a file that moved:
/// `moved` leads from its old path to the new one.
pub(in crate::tidy) fn bless(debts: &str, findings: &[Finding], moved: &BTreeMap<String, String>) -> String {
    let debts = Debts::read(debts);
    let now = counts(findings);
    let mut lines: BTreeMap<Key, usize> = BTreeMap::new();
    for ((rule, place), allowed) in &debts.allowed {
        let there = moved.get(place).map(|to| (rule.clone(), to.clone()));
        let there = there.filter(|key| !debts.allowed.contains_key(key));
        let key = there.unwrap_or_else(|| (rule.clone(), place.clone()));
        let owed = now.get(&key).copied().unwrap_or(0);
        lines.insert(key, owed.min(allowed.count));
    }
    debts.print(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings of the rule `width`, so many in each file.
    fn check(debts: &str, owed: &[(&str, usize)], moved: &[(&str, &str)], expected: &str) {
        let finding =
            |(place, count): &(&str, usize)| Finding::new(place, 1, "width", "").owed_by(*place, *count);
        let findings: Vec<Finding> = owed.iter().map(finding).collect();
        let moved = moved.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let debts = debts.replace(' ', "\t");
        assert_eq!(bless(&debts, &findings, &moved).replace('\t', " "), expected, "{debts}");
    }

    #[test]
    fn lines_are_lowered_and_never_raised() {
        check(
            "width a 2\nwidth b 5\nwidth c 1\n",
            &[("a", 3), ("b", 4), ("d", 1)],
            &[],
            "width a 2\nwidth b 4\n",
        );
        check("#\twhy\nwidth a 2\n", &[("a", 2)], &[], "# why\nwidth a 2\n");
    }

    #[test]
    fn lines_follow_files_that_moved() {
        check("width b 2\nwidth z 1\n", &[("a", 3), ("z", 1)], &[("b", "a")], "width a 2\nwidth z 1\n");
        check("width a 1\nwidth b 2\n", &[("a", 3)], &[("b", "a")], "width a 1\n");
    }
}
