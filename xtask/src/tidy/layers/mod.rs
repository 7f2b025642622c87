//! Rules about modules of one crate: which may use which, and no circles.

mod circles;
mod known;
mod modules;
mod order;
mod references;

pub(super) use order::{check, known_circles};
pub(super) use references::uses;
