//! Runs cases against a broker and turns what it answers into text that repeats.
mod bytes;
mod connection;
mod normalise;
mod session;
mod setup;

pub(crate) use bytes::assemble;
pub(crate) use session::{CLIENT_ID, Entry, Target, first_variables, resolve, run_case};
