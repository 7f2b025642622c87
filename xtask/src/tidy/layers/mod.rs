//! Rules about modules of one crate: which may use which, and no circles.

mod circles;
mod modules;
mod order;
mod references;

pub(super) use circles::circles;
pub(super) use modules::{Edge, ModulePath, Modules};
pub(super) use order::check;
pub(super) use references::uses;
