//! Lengths of files and numbers of files.

use crate::tidy::finding::Finding;
use crate::tidy::source::{RustFile, Tree};
use std::collections::BTreeMap;

/// A file longer than this holds more than one subject.
const LINES_MAX: usize = 500;

/// A folder with more Rust files than this holds more than one subject.
const FILES_MAX: usize = 15;

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let mut folders: BTreeMap<&str, Vec<&RustFile>> = BTreeMap::new();
    for file in tree.written() {
        length(file, findings);
        folders.entry(file.path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().push(file);
    }
    for (folder, files) in folders.into_iter().filter(|(_, files)| files.len() > FILES_MAX) {
        let text = format!(
            "{folder} holds {} Rust files, more than {FILES_MAX}; give what belongs together a folder",
            files.len()
        );
        findings.push(Finding::new(&files[0].path, 1, "folder", text).owed_by(folder, files.len()));
    }
}

fn length(file: &RustFile, findings: &mut Vec<Finding>) {
    let lines = file.lines_without_tests();
    if lines > LINES_MAX {
        let text = format!("{lines} lines without tests, more than {LINES_MAX}; split the file by subject");
        findings.push(Finding::new(&file.path, 1, "length", text).owed_by(&file.path, lines));
    }
}
