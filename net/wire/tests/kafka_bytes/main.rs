//! Our codec against the bytes that Kafka's own classes write (`clients/golden` records them).
#![expect(clippy::unwrap_used, reason = "every function of this crate is part of a test")]

mod mutations;
mod names;
mod round_trip;
mod rules;
mod support;
