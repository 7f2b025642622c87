//! Values of the wire that Rust has no type for.

use bytes::Bytes;
use std::fmt;

/// Longest string of the protocol: its first encodings count bytes in a positive `int16`, and Kafka keeps
/// that bound in the compact ones.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// How lengths are written: fixed width, or as a variable-length number plus one (KIP-482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Plain,
    Compact,
}

/// A 128-bit id in the byte order of the wire; all zeros means "none".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    pub const ZERO: Uuid = Uuid([0; 16]);

    pub fn is_zero(self) -> bool {
        self == Uuid::ZERO
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Record batches in pieces that are shared with their owner, never copied: one slice of the frame after
/// decoding, any number of slices when encoding. Two values are equal if their bytes are, however cut.
#[derive(Clone, Default)]
pub struct Records(pub Vec<Bytes>);

impl Records {
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    /// The bytes as one slice: shared if there is at most one piece (always so after decoding), else copied.
    pub fn into_bytes(self) -> Bytes {
        let mut pieces = self.0;
        match pieces.len() {
            0 => Bytes::new(),
            1 => pieces.swap_remove(0),
            _ => pieces.concat().into(),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        Records(vec![bytes])
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Records) -> bool {
        self.len() == other.len() && self.0.iter().flatten().eq(other.0.iter().flatten())
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} bytes in {} pieces)", self.len(), self.0.len())
    }
}
