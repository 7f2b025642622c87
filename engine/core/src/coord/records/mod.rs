//! The records of `__consumer_offsets` in Kafka's own formats, generated from Kafka's definitions.

mod client_protocol;
mod encoded;
mod form;
#[allow(
    clippy::too_many_lines,
    clippy::excessive_nesting,
    clippy::nonminimal_bool,
    unused_variables,
    reason = "generated code has one shape, whatever a record needs of it"
)]
mod generated;
mod prefix;
mod reader;
mod writer;

pub use encoded::EncodedRecord;
pub use generated::*;
pub use reader::{DecodeError, MEMORY_PER_RECORD_BYTE, Reader};
pub use writer::{EncodeError, Writer};
