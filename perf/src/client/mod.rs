//! A client of Kafka's protocol, cheap enough to saturate a broker from beside it: frames encoded ahead, blocking sockets.

mod batch;
mod connection;
mod dialect;
mod fetch;
mod frame;
mod inbox;
mod metadata;
mod offsets;
mod produce;
mod topics;
mod walk;

pub(crate) use batch::{encode_batch, same_records, values};
pub(crate) use connection::Connection;
pub(crate) use dialect::Dialect;
pub(crate) use fetch::{FetchPlace, fetch, fetch_frame, read_fetched};
pub(crate) use frame::{Frame, START_BYTES};
pub(crate) use inbox::{Arrival, Inbox};
pub(crate) use metadata::{leaders, resolve};
pub(crate) use offsets::{log_ends, log_ranges};
pub(crate) use produce::{Acks, Pipeline, Produce, check_produced, encode_produce, produce_frame};
pub(crate) use topics::{NewTopic, answers_versions, create_topics, delete_topics, introduce};
pub(crate) use walk::next_offset;
