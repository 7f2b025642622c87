//! Rules about the types of a crate and how their methods bind its folders together.

use super::calls::{Call, calls};
use super::declared::{Declared, Kind, Types};
use super::graph::edges;
use super::key::{TypeKey, crate_folder, place};
use super::meanings;
use crate::tidy::finding::Finding;
use crate::tidy::layers::{Circle, Modules, circles, components, sources};
use crate::tidy::source::Tree;
use std::collections::BTreeMap;

/// The crate whose types are held to a size.
const SHARD: &str = "engine/shard/src/";

/// A struct with more fields is several.
const FIELDS_MAX: usize = 12;

/// A type with its methods in more files is several.
const IMPL_FILES_MAX: usize = 4;

pub(in crate::tidy) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for source in sources(tree) {
        let modules = Modules::new(source, &tree.rust);
        let types = Types::new(&modules);
        let calls = calls(&types, &modules);
        let edges = edges(&types, &modules, &calls);
        findings.extend(circles(&edges).iter().filter_map(|circle| call_circle(circle, source)));
        for (key, declared) in &types.all {
            impl_circle(key, declared, &calls, source, findings);
            if source == SHARD {
                sizes(key, declared, source, findings);
            }
        }
        meanings::check(&modules, source, findings);
    }
}

/// A circle that only calls close; one of paths has a rule of its own.
fn call_circle(circle: &Circle<'_>, source: &str) -> Option<Finding> {
    let (from, to, edge) = circle.edges.iter().find(|(_, _, edge)| edge.method.is_some())?;
    let folder = format!("{source}{}", circle.folder.join("/"));
    let folder = folder.trim_end_matches('/');
    let method = edge.method.as_deref().unwrap_or_default();
    let text = format!(
        "{} call each other in a circle, as {from} calls {method} of {to}; `cargo xtask rooms {}` \
         shows each edge",
        circle.members.join(", "),
        crate_folder(source)
    );
    Some(Finding::new(&edge.file, edge.line, "call-circle", text).owed_by(folder, circle.members.len()))
}

/// Files with methods of one type that call each other's.
fn impl_circle(
    key: &TypeKey,
    declared: &Declared<'_>,
    calls: &[Call],
    source: &str,
    findings: &mut Vec<Finding>,
) {
    let mut between: BTreeMap<(&str, &str), &Call> = BTreeMap::new();
    let inside = calls.iter().filter(|call| call.of == *key && declared.impl_files.contains(&call.file));
    for call in inside {
        let to = declared.methods.get(&call.method).map(|method| method.place.file.as_str());
        if let Some(to) = to.filter(|to| *to != call.file) {
            between.entry((&call.file, to)).or_insert(call);
        }
    }
    for members in components(&between) {
        let first = between.iter().find(|((from, to), _)| members.contains(from) && members.contains(to));
        let Some(((_, to), call)) = first else { continue };
        let short = |file: &str| file.strip_prefix(source).unwrap_or(file).to_owned();
        let files: Vec<String> = members.iter().map(|file| short(file)).collect();
        let text = format!(
            "the methods of {} in {} call each other in a circle, as here {} of {}; move one below the other",
            key.name,
            files.join(", "),
            call.method,
            short(to)
        );
        let finding = Finding::new(&call.file, call.line, "impl-circle", text);
        findings.push(finding.owed_by(place(source, &key.name), members.len()));
    }
}

fn sizes(key: &TypeKey, declared: &Declared<'_>, source: &str, findings: &mut Vec<Finding>) {
    let (name, at) = (&key.name, &declared.place);
    let fields = declared.field_count;
    if declared.kind == Kind::Struct && fields > FIELDS_MAX {
        let text =
            format!("`{name}` has {fields} fields, more than {FIELDS_MAX}; those of one subject are a type");
        findings.push(Finding::new(&at.file, at.line, "fields", text).owed_by(place(source, name), fields));
    }
    let files = declared.impl_files.len();
    if files > IMPL_FILES_MAX {
        let text = format!(
            "the methods of `{name}` stand in {files} files, more than {IMPL_FILES_MAX}; give those of one \
             subject a type of its own"
        );
        findings
            .push(Finding::new(&at.file, at.line, "impl-files", text).owed_by(place(source, name), files));
    }
}
