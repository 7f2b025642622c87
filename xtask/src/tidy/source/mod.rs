//! The files under check, and Rust files as syntax, words and comments.

mod attributes;
mod references;
mod rust;
mod tokens;
mod tree;

pub(super) use attributes::{attributes, is_for_tests};
pub(super) use references::Reference;
pub(super) use rust::RustFile;
pub(super) use tokens::stands_at;
pub(super) use tree::{TextFile, Tree, is_generated};
