//! Millrace in a simulated world: the crash sweep through the engine's service surface.
#![forbid(unsafe_code)]

mod chance;
mod progress;
pub mod sweep;

pub use progress::{name_panics, under_way};
