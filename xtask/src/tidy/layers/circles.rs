//! Circles: modules of one folder that use each other, directly or through others.

use super::modules::{Edge, ModulePath};
use std::collections::{BTreeMap, BTreeSet};

/// The code of the crate's root file itself, beside its modules.
const ROOT: &str = "(root)";

/// Modules that use each other, and the edges between them with the place that shows each.
pub(in crate::tidy) struct Circle<'a> {
    /// The module in which they stand beside each other; empty is the root.
    pub(in crate::tidy) folder: ModulePath,
    pub(in crate::tidy) members: Vec<String>,
    pub(in crate::tidy) edges: Vec<(&'a str, &'a str, &'a Edge)>,
}

/// Every circle between siblings, a module standing for all below it. Tests are left out: they look at their
/// neighbours from outside. So are a module and what lies inside it:
/// a parent may lend its children its own items.
pub(in crate::tidy) fn circles(edges: &[Edge]) -> Vec<Circle<'_>> {
    let mut folders: BTreeMap<&[String], BTreeMap<(&str, &str), &Edge>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| !edge.is_test && !edge.is_listing) {
        if let Some((folder, from, to)) = siblings(edge) {
            folders.entry(folder).or_default().entry((from, to)).or_insert(edge);
        }
    }
    let mut found = Vec::new();
    for (folder, between) in folders {
        for members in components(&between) {
            let inside = |(from, to): &(&str, &str)| members.contains(from) && members.contains(to);
            let edges = between.iter().filter(|(pair, _)| inside(pair));
            found.push(Circle {
                folder: folder.to_vec(),
                members: members.iter().map(|member| (*member).to_owned()).collect(),
                edges: edges.map(|((from, to), edge)| (*from, *to, *edge)).collect(),
            });
        }
    }
    found
}

/// The folder where two modules part, and the names they have there. `None` where one lies inside the other,
/// except at the root.
fn siblings(edge: &Edge) -> Option<(&[String], &str, &str)> {
    let common = edge.from.iter().zip(&edge.to).take_while(|(a, b)| a == b).count();
    let root = (common == 0).then_some(ROOT);
    let from = edge.from.get(common).map(String::as_str).or(root)?;
    let to = edge.to.get(common).map(String::as_str).or(root)?;
    Some((&edge.from[..common], from, to))
}

/// Sets of two or more nodes that all reach each other.
pub(in crate::tidy) fn components<'a, V>(
    between: &BTreeMap<(&'a str, &'a str), V>,
) -> BTreeSet<BTreeSet<&'a str>> {
    let nodes: BTreeSet<&str> = between.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        nodes.iter().map(|node| (*node, reach(node, between))).collect();
    let component = |node: &&'a str| -> BTreeSet<&'a str> {
        let other = |other: &&&'a str| reached[*node].contains(**other) && reached[**other].contains(*node);
        nodes.iter().filter(other).copied().collect()
    };
    nodes.iter().map(component).filter(|members| members.len() > 1).collect()
}

fn reach<'a, V>(start: &str, between: &BTreeMap<(&'a str, &'a str), V>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for (_, to) in between.keys().filter(|(from, _)| *from == node) {
            if reached.insert(*to) {
                open.push(to);
            }
        }
    }
    reached
}
