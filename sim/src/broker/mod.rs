//! The whole broker in a simulated world: producers and consumers speak Kafka's protocol with it, it crashes
//! and comes back, and what it told them must stay true.
//!
//! `boot` starts the broker, `client` is one connection, `producer` and `consumer` use it as clients do,
//! `auditor` reads everything between two lives of the broker, `run` is the course of one seed.

mod auditor;
pub(crate) mod boot;
pub(crate) mod client;
mod consumer;
mod flow;
mod producer;
pub(crate) mod requests;
mod run;

pub use run::{BrokerReport, run_seed};
