//! Cases as text: their model, their parser, and paths into answers.
mod model;
mod parse;
mod path;
mod view;

pub(crate) use model::{Action, Case, Edits, Mode, Request, Step};
pub(crate) use parse::parse_cases;
pub(crate) use path::Path;
pub(crate) use view::View;
