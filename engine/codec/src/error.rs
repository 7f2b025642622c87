//! Why bytes are no message or record, and why a value cannot become bytes.

/// Why bytes are not a message, or not the key or value of a record. Kafka closes the connection of such a
/// message, and its group coordinator does not load a partition that holds such a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{wanted} bytes wanted, {remaining} left")]
    EndOfInput { wanted: usize, remaining: usize },
    #[error("{count} elements claimed with {remaining} bytes left")]
    ArrayTooLong { count: usize, remaining: usize },
    #[error("string of {0} bytes")]
    StringTooLong(usize),
    #[error("null in a field that does not allow it")]
    Null,
    #[error("variable-length number of more than 32 bits")]
    Varint,
    #[error("tagged field {tag} does not fill its {size} bytes")]
    TaggedSize { tag: u32, size: u32 },
    #[error("tagged field {0} is not part of this version")]
    TagNotInVersion(u32),
    #[error("there is no version {0}")]
    Version(i16),
    #[error("arrays need more memory than an input of this length may take")]
    Memory,
}

/// Why a value cannot be written in a version. It is a bug of the caller,
/// or a value too large for the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("version {version} has no field {field}, and it must not be left out")]
    NotInVersion { field: &'static str, version: i16 },
    #[error("field {field} must not be null in version {version}")]
    Null { field: &'static str, version: i16 },
    #[error("length {0} does not fit the format")]
    TooLong(usize),
    #[error("there is no version {0}")]
    Version(i16),
    #[error("records of type {0} are not written here")]
    RecordType(i16),
}
