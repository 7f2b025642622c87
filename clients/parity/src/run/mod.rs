//! Runs cases against a broker and turns what it answers into text that repeats.
mod bytes;
mod connection;
mod normalise;
mod session;
mod setup;
mod steps;

pub(crate) use bytes::assemble;
pub(crate) use session::{CLIENT_ID, Entry, Target, first_variables, resolve};
pub(crate) use steps::run_case;
