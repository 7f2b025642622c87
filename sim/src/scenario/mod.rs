//! What the scenarios of a sweep have in common: a node lives life after life,
//! and is judged by what was told outside.
//!
//! `life` runs a case whatever its world is, `bench` is a machine with one engine and one ledger.

mod bench;
mod life;

pub(crate) use bench::{Bench, Boot, Duty, Scenario, Serve, run, serve_behind_the_first};
pub(crate) use life::{Ending, Life, Lives, Stage, run_lives};
