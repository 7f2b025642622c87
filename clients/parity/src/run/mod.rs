//! Runs cases against a broker and turns what it answers into text that repeats.
mod bytes;
mod connection;
mod normalise;
mod session;
mod setup;

pub(crate) use session::{Entry, Target, run_case};
