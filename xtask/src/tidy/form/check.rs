//! All rules about the form of files.

use super::{nesting, sizes, text, width};
use crate::tidy::finding::Finding;
use crate::tidy::source::Tree;

pub(in crate::tidy) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    text::check(tree, findings);
    sizes::check(tree, findings);
    let columns = width::columns(tree);
    for file in tree.written() {
        width::check(file, columns, findings);
        nesting::check(file, findings);
    }
}
