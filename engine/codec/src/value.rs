//! Values of Kafka's formats that Rust has no type for.

use bytes::Bytes;
use std::{fmt, iter};

/// Longest string: its first encodings count bytes in a positive `int16`,
/// and Kafka keeps that bound in the compact ones.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// How lengths are written: fixed width, or as a variable-length number plus one (KIP-482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Plain,
    Compact,
}

/// A 128-bit id as it is sent, the first byte first; all zeros means "none".
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
pub struct Records {
    // Apart from the rest, so that decoding a partition's records allocates nothing.
    first: Bytes,
    rest: Vec<Bytes>,
}

impl Records {
    pub fn len(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces().all(Bytes::is_empty)
    }

    /// At least one, of which any may be empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        iter::once(&self.first).chain(&self.rest)
    }

    /// The bytes as one slice: shared if there is at most one piece (always so after decoding), else copied.
    pub fn into_bytes(self) -> Bytes {
        match self.rest.is_empty() {
            true => self.first,
            false => self.pieces().flatten().copied().collect(),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        Records { first: bytes, rest: Vec::new() }
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(pieces: Vec<Bytes>) -> Records {
        let mut pieces = pieces.into_iter();
        let first = pieces.next().unwrap_or_default();
        Records { first, rest: pieces.collect() }
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Records) -> bool {
        self.len() == other.len() && self.pieces().flatten().eq(other.pieces().flatten())
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} bytes in {} pieces)", self.len(), 1 + self.rest.len())
    }
}
