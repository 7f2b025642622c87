//! The error of every decoder of stored bytes: what was read, where, and what was wrong with it.

use thiserror::Error;

/// Stored bytes that do not decode. Decoders return it for any input they cannot read; they never panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{subject} is corrupt at byte {at}: {reason}")]
pub struct Corrupt {
    /// What was being read, as a noun: "offset index", "journal frame".
    pub subject: &'static str,
    /// Byte in the input at which reading stopped.
    pub at: u64,
    /// What was wrong there.
    pub reason: &'static str,
}

impl Corrupt {
    pub const fn new(subject: &'static str, at: u64, reason: &'static str) -> Corrupt {
        Corrupt { subject, at, reason }
    }
}
