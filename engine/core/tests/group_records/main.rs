//! The records of `__consumer_offsets` against the bytes that Kafka's own classes write (`clients/golden`
//! records them).
#![expect(clippy::unwrap_used, reason = "every function of this crate is part of a test")]

mod edges;
mod golden;
mod round_trip;
