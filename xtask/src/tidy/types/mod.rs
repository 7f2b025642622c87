//! The types of one crate: what they hold, in which files their methods stand, and who calls those.

mod calls;
mod check;
mod declared;
mod graph;
mod key;
mod meanings;
mod pattern;
mod resolve;
mod std_names;

pub(super) use calls::calls;
pub(super) use check::check;
pub(super) use declared::{Kind, Types};
pub(super) use graph::edges;
