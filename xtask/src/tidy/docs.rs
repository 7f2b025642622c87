//! Rules about the documents: what they name exists, and README names every API that is served.

use super::finding::Finding;
use super::source::{RustFile, TextFile, Tree};
use std::collections::BTreeSet;

/// Endings of names that a document can mean as a file of the repository.
const FILE_ENDINGS: &[&str] = &[".rs", ".md", ".toml", ".py", ".sh", ".txt"];

/// Where the server's APIs stand, one `api!(Name ...` each.
const API_TABLE: &str = "net/server/src/api/table.rs";

/// What git does not track, but documents may name.
const UNTRACKED: &[&str] = &["clients/.cache"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let places = Places::new(tree);
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (index, line) in file.text.lines().enumerate() {
            let quoted = line.split('`').skip(1).step_by(2).filter(|name| is_file_name(name));
            let named = quoted.map(str::to_owned).chain(links(line).map(|link| beside(&file.path, link)));
            for name in named.filter(|name| !places.hold(name) && !places.hold(&beside(&file.path, name))) {
                let text = format!("{name} does not exist; name what is there now");
                findings.push(Finding::new(&file.path, index + 1, "document", text));
            }
            references(&places, &file.path, (index + 1, line), findings);
        }
    }
    for file in &tree.rust {
        documentation(&places, file, findings);
    }
    served_apis(tree, findings);
}

/// A path from the root of the repository, or from the document's folder.
fn is_file_name(text: &str) -> bool {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    text.contains('/')
        && text.chars().all(is_path)
        && FILE_ENDINGS.iter().any(|ending| text.ends_with(ending))
}

/// Targets of links inside the repository, without their fragments.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let paths = targets.map(|(target, _)| target.split('#').next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains("://"))
}

/// `link` as the document `path` means it.
fn beside(path: &str, link: &str) -> String {
    let mut names: Vec<&str> = path.split('/').collect();
    names.pop();
    for name in link.split('/') {
        match name {
            ".." => drop(names.pop()),
            "." => {}
            name => names.push(name),
        }
    }
    names.join("/")
}

fn documentation(places: &Places<'_>, file: &RustFile, findings: &mut Vec<Finding>) {
    let lines = file.comments.lines().enumerate();
    let documentation = lines.filter(|(_, line)| is_documentation(line.trim_start()));
    for (index, line) in documentation {
        references(places, &file.path, (index + 1, line), findings);
    }
}

fn is_documentation(line: &str) -> bool {
    line.starts_with("///") || line.starts_with("//!")
}

/// Words in backticks that begin with a folder of the repository name what is there.
fn references(places: &Places<'_>, path: &str, (number, line): (usize, &str), findings: &mut Vec<Finding>) {
    let words = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    for word in words.filter(|word| !path.ends_with(".md") || !is_file_name(word)) {
        let name = word.split(['#', ':']).next().unwrap_or_default();
        if places.look_like(name) && !places.hold(name) && !UNTRACKED.contains(&name) {
            let text = format!("{name} does not exist; name what is there now");
            findings.push(Finding::new(path, number, "reference", text).owed_by_file());
        }
    }
}

/// Every tracked file, and every folder with one.
struct Places<'t> {
    all: BTreeSet<&'t str>,
}

impl<'t> Places<'t> {
    fn new(tree: &'t Tree) -> Places<'t> {
        let paths = tree.files.iter().map(|file| file.path.as_str());
        let folders = paths.clone().flat_map(|path| path.match_indices('/').map(move |(at, _)| &path[..at]));
        Places { all: paths.clone().chain(folders).collect() }
    }

    fn hold(&self, name: &str) -> bool {
        self.all.contains(name.trim_end_matches('/'))
    }

    /// A path below one of the folders at the root.
    fn look_like(&self, name: &str) -> bool {
        let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        name.chars().all(is_path) && name.split_once('/').is_some_and(|(folder, _)| self.all.contains(folder))
    }
}

fn served_apis(tree: &Tree, findings: &mut Vec<Finding>) {
    let find = |path: &str| -> Option<&TextFile> { tree.files.iter().find(|file| file.path == path) };
    let (Some(table), Some(readme)) = (find(API_TABLE), find("README.md")) else { return };
    for line in table.text.lines() {
        let name = line.trim().strip_prefix("api!(").and_then(|rest| rest.split(' ').next());
        let name = name.filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
        if let Some(name) = name.filter(|name| !readme.text.contains(*name)) {
            let text = format!("{name} is served, but not named in the list of what is served");
            findings.push(Finding::new(&readme.path, 1, "document", text));
        }
    }
}
