//! The modules of a crate and who needs whom, where a call of another module's method counts as much as a
//! path.

use super::calls::Call;
use super::declared::Types;
use crate::tidy::layers::{Edge, Modules};

/// Edges of paths, and of calls of methods whose type has its methods in several files.
pub(in crate::tidy) fn edges(types: &Types<'_>, modules: &Modules<'_>, calls: &[Call]) -> Vec<Edge> {
    let mut edges = modules.edges();
    edges.retain(|edge| !edge.is_test && !edge.is_listing);
    edges.extend(calls.iter().filter_map(|call| edge(types, call)));
    edges
}

fn edge(types: &Types<'_>, call: &Call) -> Option<Edge> {
    let declared = types.all.get(&call.of).filter(|declared| declared.is_shared())?;
    let to = declared.methods.get(&call.method)?.place.module.clone();
    (to != call.module).then(|| Edge {
        from: call.module.clone(),
        to,
        file: call.file.clone(),
        line: call.line,
        is_test: false,
        is_listing: false,
        method: Some(format!("{}::{}", call.of.name, call.method)),
    })
}
