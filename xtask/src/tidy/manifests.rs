//! Rules about Cargo.toml files: which crate may use which, and a reason above each dependency.

use super::finding::Finding;
use super::source::{TextFile, Tree};

/// Which of our crates each crate may use: the arrows of the house, and what lies below them.
const ARROWS: &[(&str, &[&str])] = &[
    ("millrace-codec", &[]),
    ("millrace-core", &["millrace-codec"]),
    ("millrace-rt", &[]),
    ("millrace-shard", &["millrace-core", "millrace-rt"]),
    ("millrace-schema", &[]),
    ("millrace-wire", &["millrace-codec"]),
    ("millrace-server", &["millrace-wire", "millrace-shard", "millrace-core", "millrace-rt"]),
    ("millrace", &["millrace-server", "millrace-core", "millrace-rt", "millrace-perf", "millrace-client"]),
    // The cases of parity are examples for fuzz targets.
    (
        "millrace-sim",
        &[
            "millrace-server",
            "millrace-wire",
            "millrace-shard",
            "millrace-core",
            "millrace-rt",
            "millrace-parity",
        ],
    ),
    ("millrace-client", &["millrace-wire"]),
    ("millrace-perf", &["millrace-client", "millrace-wire", "millrace-codec"]),
    (
        "millrace-benches",
        &["millrace-server", "millrace-wire", "millrace-shard", "millrace-core", "millrace-rt"],
    ),
    ("millrace-parity", &["millrace-schema"]),
    ("xtask", &["millrace-schema"]),
];

/// Workspaces of their own beside the house, which nothing of it builds: drivers of other projects' clients.
const OUTHOUSES: &[&str] = &["clients/rdkafka/Cargo.toml"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.files.iter().filter(|file| file.path.rsplit('/').next() == Some("Cargo.toml")) {
        if file.path == "Cargo.toml" {
            reasons(file, "workspace.dependencies", findings);
        } else if OUTHOUSES.contains(&file.path.as_str()) {
            reasons(file, "dependencies", findings);
        } else {
            arrows(file, findings);
        }
    }
}

/// Each dependency line of the section has a comment right above it; our own crates need none.
fn reasons(file: &TextFile, dependencies: &str, findings: &mut Vec<Finding>) {
    let mut above = "";
    for (line, section, text) in entries(file) {
        let is_dependency = section == dependencies && !text.is_empty() && !text.starts_with('#');
        if is_dependency && !text.contains("path =") && !above.starts_with("# ") {
            let what =
                format!("`{}` has no reason; put a comment above it that says what it is for", name(text));
            findings.push(Finding::new(&file.path, line, "dependency", what));
        }
        above = text;
    }
}

fn arrows(file: &TextFile, findings: &mut Vec<Finding>) {
    let package = entries(file).find(|(_, section, text)| *section == "package" && name(text) == "name");
    let package = package.and_then(|(_, _, text)| text.split('"').nth(1)).unwrap_or_default();
    let arrows = ARROWS.iter().find(|(from, _)| *from == package);
    if arrows.is_none() {
        let text =
            format!("`{package}` has no place in the house; add its arrows to xtask/src/tidy/manifests.rs");
        findings.push(Finding::new(&file.path, 1, "arrow", text));
    }
    let allowed = arrows.map_or(&[][..], |(_, allowed)| *allowed);
    for (line, section, text) in entries(file) {
        if !section.ends_with("dependencies") || text.is_empty() || text.starts_with('#') {
            continue;
        }
        let to = name(text);
        if is_ours(to) && !allowed.contains(&to) {
            let what =
                format!("{package} may not use {to}; move what is needed down, or turn the call around");
            findings.push(Finding::new(&file.path, line, "arrow", what));
        }
        if !text.contains("workspace = true") {
            let what = format!("`{to}` is not taken from the workspace; its version and reason belong there");
            findings.push(Finding::new(&file.path, line, "dependency", what));
        }
    }
}

fn is_ours(name: &str) -> bool {
    ARROWS.iter().any(|(ours, _)| *ours == name)
}

/// Lines with their number and section; header lines themselves are left out.
fn entries(file: &TextFile) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut section = "";
    file.text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = header;
            return None;
        }
        Some((index + 1, section, line))
    })
}

/// The key of a line without what follows its first dot.
fn name(line: &str) -> &str {
    let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
    line[..end].trim()
}
