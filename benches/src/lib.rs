//! What the benches measure with, and the paths whose instructions are counted.
//! The benches stand in `benches/`.
#![forbid(unsafe_code)]

mod hops;
mod paths;
mod ring;
mod samples;
mod wire;
mod world;

pub use hops::{LANE, hops};
pub use paths::{PATHS, Path};
pub use ring::MemoryJournal;
pub use samples::{batch_of, key, rules};
pub use wire::{decode_fetch, decode_produce, encode_fetched, fetch_request, produce_request};
pub use world::{append, fetch, on_a_shard};
