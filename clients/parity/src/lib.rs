//! Parity with Apache Kafka: records its answers to the cases of `cases/`, compares a running broker with
//! them, and gives the frames of the cases to whoever wants examples.

mod answers;
mod batch;
mod case;
mod codec;
mod commands;
mod files;
mod primitives;
mod run;
mod seeds;
mod text;

pub use commands::{Judged, Listing, compare, list, record};
pub use seeds::{SEED_TOPIC, SEED_TOPICS, Seed, seed_topic_id, seeds};
