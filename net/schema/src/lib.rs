//! The schema text of Kafka's messages: its model, its parser and its printer. No I/O.
#![forbid(unsafe_code)]

mod model;
mod parse;
mod print;

pub use model::{Field, FieldType, Kind, Literal, Message, Struct, Tag, Versions};
pub use parse::{NESTING_MAX, SchemaError, parse};
