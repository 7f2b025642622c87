//! One shard, put together out of its parts, and opened.

mod base;
mod checkpoints;
mod composed;
mod invariants;
mod log_path;
mod open;
mod reads;
mod requests;
mod upkeep;
