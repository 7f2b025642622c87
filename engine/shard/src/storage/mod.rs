//! Data directories without a broker: what is damaged and what could be saved, and what each file holds.
//!
//! What is damaged is decided by the same machines as at a start (`engine/core`); here files are read,
//! one after another, and told of.

mod disk;
mod dump;
mod fact;
mod journal;
mod node;
mod partition;
mod segment;
mod verify;

pub use disk::{StorageDirs, ToolError};
pub use dump::{DumpOptions, Records, dump};
pub use fact::{Fact, FieldValue};
pub use verify::{Verdict, verify};
