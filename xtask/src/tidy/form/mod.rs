//! Rules about the form of files.

mod check;
mod nesting;
mod sizes;
mod text;
mod width;

pub(super) use check::check;
pub(super) use width::columns;
