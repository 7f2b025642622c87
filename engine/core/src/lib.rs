//! Pure machines: what a log broker decides, without I/O, clock, randomness, threads or `async`.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod base;
pub mod coord;
pub mod journal;
pub mod log;
pub mod meta;
