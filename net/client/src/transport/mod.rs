//! Connections to one broker: its address, frames, the versions that both sides speak, and calls on them.

mod address;
mod connection;
mod dialect;
mod frame;
mod inbox;
mod peer;
mod versions;

pub use address::resolve;
pub use connection::Connection;
pub use dialect::{Dialect, VersionRange};
pub use frame::{Frame, START_BYTES, read_answer};
pub use inbox::{Arrival, Inbox};
pub(crate) use peer::Peer;
pub use versions::{answers_versions, introduce};
