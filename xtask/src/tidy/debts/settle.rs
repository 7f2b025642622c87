//! Holds what was found to the file of debts.

use super::lines::{DEBTS, Debts, Key};
use crate::tidy::finding::Finding;
use std::collections::BTreeMap;

/// Leaves out what the debts allow; adds where they allow more than is owed. `debts` is the text of the file.
pub(in crate::tidy) fn settle(debts: &str, findings: Vec<Finding>) -> Vec<Finding> {
    let debts = Debts::read(debts);
    let counts = counts(&findings);
    let mut left: Vec<Finding> =
        findings.into_iter().filter_map(|finding| unsettled(&debts, &counts, finding)).collect();
    for (key, allowed) in &debts.allowed {
        let now = counts.get(key).copied().unwrap_or(0);
        if now < allowed.count {
            let text = format!(
                "{} in {} is down from {} to {now}; lower the line: MILLRACE_BLESS=1 cargo xtask tidy",
                key.0, key.1, allowed.count
            );
            left.push(Finding::new(DEBTS, allowed.line, "debt", text));
        }
    }
    left.extend(debts.broken.into_iter().map(|(line, text)| Finding::new(DEBTS, line, "debt", text)));
    left
}

/// What each place owes now.
pub(super) fn counts(findings: &[Finding]) -> BTreeMap<Key, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        if let Some(owed) = &finding.owed {
            *counts.entry((finding.rule.to_owned(), owed.place.clone())).or_default() += owed.count;
        }
    }
    counts
}

fn unsettled(debts: &Debts, counts: &BTreeMap<Key, usize>, finding: Finding) -> Option<Finding> {
    let Some(owed) = &finding.owed else { return Some(finding) };
    let key = (finding.rule.to_owned(), owed.place.clone());
    let (now, allowed) = (counts.get(&key).copied().unwrap_or(0), debts.allowed.get(&key));
    match allowed {
        None => Some(finding),
        Some(allowed) if now <= allowed.count => None,
        Some(allowed) => {
            let text = format!("{} ({} owes {now}, and may owe {})", finding.text, owed.place, allowed.count);
            Some(Finding { text, ..finding })
        }
    }
}
