//! The command `tidy`: every rule over every tracked file.

use super::finding::Finding;
use super::source::Tree;
use super::{docs, form, layers, manifests, purity};
use crate::codegen::root;
use std::error::Error;

/// Checks the work tree; the error lists what is to be done.
pub(crate) fn run() -> Result<String, Box<dyn Error>> {
    let tree = Tree::tracked(&root())?;
    let findings = check(&tree);
    if findings.is_empty() {
        return Ok(format!("tidy: {} files in order", tree.files.len()));
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(format!("tidy: {} findings\n{}", lines.len(), lines.join("\n")).into())
}

/// All findings, ordered by place.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    form::check(tree, &mut findings);
    purity::check(tree, &mut findings);
    manifests::check(tree, &mut findings);
    layers::check(tree, &mut findings);
    docs::check(tree, &mut findings);
    findings.sort();
    findings.dedup();
    findings
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
