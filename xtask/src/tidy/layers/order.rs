//! The order of modules: the layers of engine/core, and no circles in any crate.

use super::circles::{Circle, circles};
use super::modules::{Edge, Modules};
use crate::tidy::finding::Finding;
use crate::tidy::source::Tree;
use std::collections::BTreeSet;

/// The crate with layers.
const CORE: &str = "engine/core/src/";

/// Its modules from the lowest up; those of one layer do not know each other.
const LAYERS: &[&[&str]] = &[&["base"], &["log"], &["journal", "replica", "meta", "coord"]];

/// Findings of all crates.
pub(in crate::tidy) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for source in sources(tree) {
        let edges = Modules::new(source, &tree.rust).edges();
        if source == CORE {
            layers(&edges, findings);
        }
        findings.extend(circles(&edges).iter().filter_map(report));
    }
}

/// The source folder of each crate, each once.
pub(in crate::tidy) fn sources(tree: &Tree) -> BTreeSet<&str> {
    let roots = tree.rust.iter().filter_map(|file| {
        let source = file.path.strip_suffix("lib.rs").or_else(|| file.path.strip_suffix("main.rs"))?;
        source.ends_with("src/").then_some(source)
    });
    roots.collect()
}

fn layers(edges: &[Edge], findings: &mut Vec<Finding>) {
    for edge in edges {
        let (Some(from), Some(to)) = (edge.from.first(), edge.to.first()) else { continue };
        if from == to {
            continue;
        }
        let text = match (layer(from), layer(to)) {
            (Some(upper), Some(lower)) if upper > lower => continue,
            (Some(_), Some(_)) => format!(
                "{from} may not use {to}: base <- log <- {{journal, replica, meta, coord}}; move what \
                 both need down"
            ),
            _ => format!("{from} or {to} has no layer; name its layer in xtask/src/tidy/layers/order.rs"),
        };
        findings.push(Finding::new(&edge.file, edge.line, "layer", text));
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn report(circle: &Circle<'_>) -> Option<Finding> {
    let (_, _, first) = circle.edges.first()?;
    let shown =
        |(from, to, edge): &(&str, &str, &Edge)| format!("{from} -> {to} ({}:{})", edge.file, edge.line);
    let edges: Vec<String> = circle.edges.iter().map(shown).collect();
    let text = format!(
        "{} use each other in a circle; move what they share below both: {}",
        circle.members.join(", "),
        edges.join(", ")
    );
    Some(Finding::new(&first.file, first.line, "circle", text))
}
