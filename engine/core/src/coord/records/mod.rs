//! The records of `__consumer_offsets` in Kafka's own formats, generated from Kafka's definitions.

mod client_protocol;
mod encoded;
#[allow(
    clippy::too_many_lines,
    clippy::excessive_nesting,
    clippy::nonminimal_bool,
    unused_variables,
    reason = "generated code has one shape, whatever a record needs of it"
)]
mod generated;
mod prefix;

pub use encoded::EncodedRecord;
pub use generated::*;
pub use millrace_codec::{DecodeError, EncodeError, MEMORY_PER_RECORD_BYTE};
