//! One input of a target, and what is known about how it came to be.

use crate::chance::Chance;

/// Bytes for a decoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) origin: Origin<'a>,
}

/// How an input was made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// An example as it is: it must be read.
    Whole,
    /// Damage to the first of two examples, perhaps with parts of the second; checksums were left alone, so
    /// that a format with checksums notices, or nothing that counts was touched.
    Damaged([&'a [u8]; 2]),
    /// Anything, under good checksums.
    Forged,
}

impl<'a> Input<'a> {
    /// Bytes of which nothing is known.
    pub(super) fn forged(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, origin: Origin::Forged }
    }

    /// Choices that the bytes alone determine, so that a saved input fails again.
    pub(super) fn chance(&self) -> Chance {
        Chance::new(u64::from(crc32c::crc32c(self.bytes)))
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self.origin, Origin::Whole)
    }

    /// The examples that damage was done to; none for forged inputs.
    pub(super) fn sources(&self) -> &[&'a [u8]] {
        match &self.origin {
            Origin::Damaged(sources) => sources,
            Origin::Whole => std::slice::from_ref(&self.bytes),
            Origin::Forged => &[],
        }
    }
}
