//! Rules about the documents: the files they name exist, and README names every API that is served.

use super::finding::Finding;
use super::source::{TextFile, Tree};

/// Endings of names that a document can mean as a file of the repository.
const FILE_ENDINGS: &[&str] = &[".rs", ".md", ".toml", ".py", ".sh", ".txt"];

/// Where the server's APIs stand, one `api!(Name ...` each.
const API_TABLE: &str = "net/server/src/api/table.rs";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (index, line) in file.text.lines().enumerate() {
            let quoted = line.split('`').skip(1).step_by(2).filter(|name| is_file_name(name));
            let named = quoted.map(str::to_owned).chain(links(line).map(|link| beside(&file.path, link)));
            for name in named.filter(|name| !exists(tree, name) && !exists(tree, &beside(&file.path, name))) {
                let text = format!("{name} does not exist; name what is there now");
                findings.push(Finding::new(&file.path, index + 1, "document", text));
            }
        }
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

/// A tracked file, or a folder with one.
fn exists(tree: &Tree, name: &str) -> bool {
    let folder = format!("{}/", name.trim_end_matches('/'));
    tree.files.iter().any(|file| file.path == name || file.path.starts_with(&folder))
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
