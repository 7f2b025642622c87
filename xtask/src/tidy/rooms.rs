//! The command `rooms`: what a crate is built of, for whoever moves its parts to other folders.

use super::layers::{Edge, Modules, circles};
use super::source::Tree;
use super::types::{Kind, Types, calls, edges};
use crate::codegen::root;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;

/// Structs, folders and the graph of folders of the crate in `folder`.
pub(crate) fn rooms(folder: &str) -> Result<String, Box<dyn Error>> {
    let tree = Tree::tracked(&root())?;
    let source = format!("{}/src/", folder.trim_end_matches('/'));
    if !tree.rust.iter().any(|file| file.path.starts_with(&source)) {
        return Err(format!("{source} holds no Rust file that git tracks").into());
    }
    Ok(report(&tree, &source)?)
}

fn report(tree: &Tree, source: &str) -> Result<String, std::fmt::Error> {
    let modules = Modules::new(source, &tree.rust);
    let types = Types::new(&modules);
    let edges = edges(&types, &modules, &calls(&types, &modules));
    let mut text = format!("{source}\n");
    structs(&types, source, &mut text)?;
    folders(tree, source, &mut text)?;
    graph(&edges, source, &mut text)?;
    rings(&edges, source, &mut text)?;
    Ok(text)
}

fn structs(types: &Types<'_>, source: &str, text: &mut String) -> std::fmt::Result {
    text.push_str("\n== Types: fields of structs, where they are declared, files with their impl blocks\n");
    let mut all: Vec<_> = types.all.iter().collect();
    all.sort_by_key(|(key, declared)| (std::cmp::Reverse(declared.impl_files.len()), *key));
    for (key, declared) in all {
        let files = |file: &String| file.strip_prefix(source).unwrap_or(file).to_owned();
        let inherent: Vec<String> = declared.impl_files.iter().map(files).collect();
        let traits = declared.trait_files.iter().map(|(file, of)| format!("{} ({of})", files(file)));
        let traits: Vec<String> = traits.collect();
        let fields = match declared.kind {
            Kind::Struct => format!("{} fields", declared.field_count),
            Kind::Other => "enum".to_owned(),
        };
        let place = files(&declared.place.file);
        write!(text, "{} ({place}:{}): {fields}", key.name, declared.place.line)?;
        write!(text, "; {} methods in {} files", declared.methods.len(), inherent.len())?;
        if inherent.len() > 1 || inherent.first().is_some_and(|file| *file != place) {
            write!(text, ": {}", inherent.join(" "))?;
        }
        if !traits.is_empty() {
            write!(text, "; traits in {}", traits.join(" "))?;
        }
        text.push('\n');
    }
    Ok(())
}

fn folders(tree: &Tree, source: &str, text: &mut String) -> std::fmt::Result {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for file in tree.rust.iter().filter(|file| file.path.starts_with(source)) {
        *folders.entry(file.path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default() += 1;
    }
    text.push_str("\n== Folders: files\n");
    for (folder, files) in folders {
        writeln!(text, "{folder}: {files}")?;
    }
    Ok(())
}

/// The first name of a module's path; the root file has none.
fn top(path: &[String]) -> &str {
    path.first().map_or("(root)", String::as_str)
}

fn graph(edges: &[Edge], source: &str, text: &mut String) -> std::fmt::Result {
    let mut between: BTreeMap<(&str, &str), Vec<&Edge>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| top(&edge.from) != top(&edge.to)) {
        between.entry((top(&edge.from), top(&edge.to))).or_default().push(edge);
    }
    text.push_str("\n== Edges between top-level modules: paths and calls, the first line that shows each\n");
    for ((from, to), edges) in between {
        let calls: BTreeSet<&str> = edges.iter().filter_map(|edge| edge.method.as_deref()).collect();
        let paths = edges.iter().filter(|edge| edge.method.is_none()).count();
        let shown = edges.iter().min_by_key(|edge| edge.method.is_none());
        let shown = shown.map_or(String::new(), |edge| evidence(edge, source));
        write!(text, "{from} -> {to}: {shown}; {paths} paths")?;
        if !calls.is_empty() {
            write!(text, "; methods {}", calls.into_iter().collect::<Vec<_>>().join(" "))?;
        }
        text.push('\n');
    }
    Ok(())
}

fn rings(edges: &[Edge], source: &str, text: &mut String) -> std::fmt::Result {
    text.push_str("\n== Circles\n");
    let circles = circles(edges);
    if circles.is_empty() {
        text.push_str("none\n");
    }
    for circle in circles {
        writeln!(text, "{} modules: {}", circle.members.len(), circle.members.join(" "))?;
        for (from, to, edge) in &circle.edges {
            writeln!(text, "  {from} -> {to}: {}", evidence(edge, source))?;
        }
    }
    Ok(())
}

fn evidence(edge: &Edge, source: &str) -> String {
    let file = edge.file.strip_prefix(source).unwrap_or(&edge.file);
    let what = edge.method.as_ref().map_or("path", |method| method.as_str());
    format!("{file}:{} {what}", edge.line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::TextFile;

    const FILES: &[(&str, &str)] = &[
        ("lib.rs", "//! Shard.\nmod a;\nmod b;\nmod c;\n"),
        (
            "a.rs",
            "//! A.\npub(crate) struct Core { pub(crate) a: u8 }\n\
             impl Core { fn open(&self) { self.flush() } }\n",
        ),
        (
            "b.rs",
            "//! B.\nuse crate::a::Core;\npub(crate) enum Kind { One }\n\
             impl Core { pub(crate) fn flush(&self) {} }\n",
        ),
        ("c/mod.rs", "//! C.\nmod host;\n"),
        ("c/host.rs", "//! Host.\nuse crate::b::Kind;\nimpl Host for crate::a::Core {}\n"),
    ];

    const REPORT: &str = "\
engine/shard/src/

== Types: fields of structs, where they are declared, files with their impl blocks
Core (a.rs:2): 1 fields; 2 methods in 2 files: a.rs b.rs; traits in c/host.rs (Host)
Kind (b.rs:3): enum; 0 methods in 0 files

== Folders: files
engine/shard/src: 3
engine/shard/src/c: 2

== Edges between top-level modules: paths and calls, the first line that shows each
a -> b: a.rs:3 Core::flush; 0 paths; methods Core::flush
b -> a: b.rs:2 path; 1 paths
c -> a: c/host.rs:3 path; 1 paths
c -> b: c/host.rs:2 path; 1 paths

== Circles
2 modules: a b
  a -> b: a.rs:3 Core::flush
  b -> a: b.rs:2 path
";

    #[test]
    fn a_small_crate_is_reported() {
        let file = |(path, text): &(&str, &str)| TextFile {
            path: format!("engine/shard/src/{path}"),
            text: (*text).to_owned(),
        };
        let tree = Tree::new(FILES.iter().map(file).collect());
        assert_eq!(report(&tree, "engine/shard/src/").unwrap(), REPORT);
    }
}
