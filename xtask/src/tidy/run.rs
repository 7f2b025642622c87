//! The command `tidy`: every rule over every tracked file.

use super::debts::{DEBTS, bless, settle};
use super::finding::Finding;
use super::source::Tree;
use super::{docs, form, layers, manifests, purity, types};
use crate::codegen::root;
use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;

/// Set to 1, it has debts lowered that were paid.
const BLESS: &str = "MILLRACE_BLESS";

/// Checks the work tree; the error lists what is to be done.
pub(crate) fn run() -> Result<String, Box<dyn Error>> {
    let tree = Tree::tracked(&root())?;
    let findings = found(&tree);
    let mut debts = tree.text(DEBTS).unwrap_or_default().to_owned();
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        debts = lower(&debts, &findings)?;
    }
    let findings = sorted(settle(&debts, findings));
    if findings.is_empty() {
        return Ok(format!("tidy: {} files in order", tree.files.len()));
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(format!("tidy: {} findings\n{}", lines.len(), lines.join("\n")).into())
}

/// All findings that are no debt, ordered by place.
#[cfg(test)]
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    sorted(settle(tree.text(DEBTS).unwrap_or_default(), found(tree)))
}

/// What breaks a rule, whether it is a debt or not.
fn found(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    form::check(tree, &mut findings);
    purity::check(tree, &mut findings);
    manifests::check(tree, &mut findings);
    layers::check(tree, &mut findings);
    types::check(tree, &mut findings);
    docs::check(tree, &mut findings);
    findings
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort();
    findings.dedup();
    findings
}

/// Writes the file of debts anew, and gives its text.
#[expect(clippy::disallowed_methods, reason = "a development command works on the source tree itself")]
fn lower(debts: &str, findings: &[Finding]) -> Result<String, Box<dyn Error>> {
    let lowered = bless(debts, findings, &moved()?);
    if lowered != debts {
        std::fs::write(root().join(DEBTS), &lowered)?;
    }
    Ok(lowered)
}

/// The files that moved since the last commit that changed the debts, as git sees it.
fn moved() -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let since = git(&["log", "-1", "--format=%H", "--", DEBTS])?;
    let since = if since.trim().is_empty() { "HEAD" } else { since.trim() };
    let lines = git(&["diff", since, "--find-renames", "--diff-filter=R", "--name-status", "-l0"])?;
    let moves = lines.lines().filter_map(|line| {
        let mut parts = line.split('\t').skip(1);
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    });
    Ok(moves.collect())
}

fn git(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new("git").arg("-C").arg(root()).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        if let Err(findings) = super::run() {
            panic!("{findings}");
        }
    }
}
