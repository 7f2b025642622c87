//! Rules about the form of files.

mod text;

pub(super) use text::check;
