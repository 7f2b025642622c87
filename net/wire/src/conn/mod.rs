//! A connection as a pure machine: bytes become frames, frames become requests.

mod framing;
mod header;

pub use framing::{FrameCursor, Framed};
pub use header::{HeaderError, decode_request_header};
