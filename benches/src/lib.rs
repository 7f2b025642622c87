//! What the benches measure with: batches, rules and a journal in memory. The benches themselves stand in `benches/`.
#![forbid(unsafe_code)]

mod ring;
mod samples;

pub use ring::MemoryJournal;
pub use samples::{batch_of, key, rules};
