//! One module per message, generated from `net/wire/schema` by `cargo xtask codegen`.

pub use crate::generated::*;
