//! Everything that CI runs, as one command; and the checks of a moment for between two edits.

mod broker;
mod changed;
mod inputs;
mod leftovers;
mod process;
mod run;
mod schedule;
mod steps;

pub(crate) use changed::{Tests, check};
pub(crate) use run::{Request, run};
