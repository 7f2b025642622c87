//! Rules about modules of one crate: which may use which, and no circles.

mod circles;
mod modules;
mod order;

pub(super) use circles::{Circle, circles, components};
pub(super) use modules::{Edge, ModulePath, Modules};
pub(super) use order::{check, sources};
