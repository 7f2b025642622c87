//! The relaxed JSON in which cases and recorded answers are written.
mod parse;
mod print;
mod variables;

pub(crate) use parse::{TextError, Texts};
pub(crate) use print::print_value;
pub(crate) use variables::{Variables, substitute};
