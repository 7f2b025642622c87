//! The types of one crate: what they hold, in which files their methods stand, and who calls those.

mod calls;
mod declared;
mod graph;
mod key;
mod pattern;
mod resolve;
mod std_names;

pub(super) use declared::{Kind, Types};
pub(super) use graph::edges;
