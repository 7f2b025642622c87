//! A client of Kafka's protocol, cheap enough to saturate a broker from beside it: frames encoded ahead, blocking sockets.

mod batch;
mod connection;
mod fetch;
mod offsets;
mod produce;
mod topics;

pub(crate) use batch::{encode_batch, same_records, values};
pub(crate) use connection::{Connection, Frame};
pub(crate) use fetch::{FetchPlace, fetch};
pub(crate) use offsets::log_ends;
pub(crate) use produce::{Pipeline, Produce, produce_frame};
pub(crate) use topics::{NewTopic, answers_versions, create_topics, delete_topics};
