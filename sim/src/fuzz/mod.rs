//! Fuzz targets of every decoder: damaged and forged inputs under a seed,
//! each held to what its target promises.

mod golden;
mod input;
mod machine;
mod meter;
mod mutate;
mod planted;
mod run;
mod seeds;
mod table;
mod target;
mod targets;

pub use golden::from_hex;
pub use machine::{FrameRun, FrameTally, LIFE_FRAMES};
pub use planted::PLANTED;
pub use run::{Fuzz, FuzzFailure, FuzzTally, check_input};
pub use table::{TARGETS, find};
pub use target::{Target, TargetOutcome};
pub use targets::MESSAGE_MODULES;
