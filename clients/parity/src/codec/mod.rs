//! A codec interpreted from the schema text, independent of the broker's generated one.
mod decode;
mod encode;
mod protocol;

pub(crate) use protocol::Protocol;
