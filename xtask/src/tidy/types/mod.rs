//! The types of one crate: what they hold, in which files their methods stand, and who calls those.

mod calls;
mod common;
mod declared;
mod graph;
mod pattern;
mod resolve;

pub(super) use declared::{Kind, Types};
pub(super) use graph::edges;
