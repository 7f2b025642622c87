//! A client of Kafka's protocol for tools: frames encoded ahead, blocking sockets, one request at a time or many in flight.
#![forbid(unsafe_code)]

mod address;
mod clock;
mod cluster;
mod connection;
mod dialect;
mod failure;
mod frame;
mod group_requests;
mod groups;
mod inbox;
mod metadata;
mod offsets;
mod peer;
mod topics;
mod versions;

pub use address::resolve;
pub use cluster::{Cluster, Place};
pub use connection::Connection;
pub use dialect::{Dialect, VersionRange};
pub use failure::Failure;
pub use frame::{Frame, START_BYTES, read_answer};
pub use groups::{Group, GroupMember, ListedGroup};
pub use inbox::{Arrival, Inbox};
pub use offsets::LogOffset;
pub use versions::{answers_versions, introduce};
