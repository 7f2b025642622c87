//! What the records of the coordinator are in Kafka's formats.

pub(super) mod consumer;
pub(super) mod record;
