//! The files under check, and Rust files as syntax, words and comments.

mod rust;
mod tokens;
mod tree;

pub(super) use rust::{RustFile, attributes, is_for_tests};
pub(super) use tokens::{Token, flat, stands_at};
pub(super) use tree::{TextFile, Tree};
