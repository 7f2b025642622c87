//! What became of the frames so far.

use std::ops::AddAssign;

use super::desk::Fate;

/// Counts of one or more lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameTally {
    pub answered: u64,
    /// The connection ended instead of an answer.
    pub closed: u64,
    /// Asked for no answer, and those behind it were answered.
    pub silent: u64,
    /// Waited for others as they asked for, until their client went.
    pub waiting: u64,
    /// Sent in part; the client went.
    pub halves: u64,
    /// The most memory that one frame took beyond what its bytes and answer allow without the fixed part.
    pub beyond_bytes: i64,
}

impl FrameTally {
    /// Whole frames.
    pub fn frames(&self) -> u64 {
        self.answered + self.closed + self.silent + self.waiting
    }

    pub(super) fn count(&mut self, fate: Fate, beyond_bytes: i64) {
        *match fate {
            Fate::Answered => &mut self.answered,
            Fate::Closed => &mut self.closed,
            Fate::Silent => &mut self.silent,
            Fate::Waiting => &mut self.waiting,
            Fate::Half => &mut self.halves,
        } += 1;
        self.beyond_bytes = self.beyond_bytes.max(beyond_bytes);
    }
}

impl AddAssign for FrameTally {
    fn add_assign(&mut self, other: FrameTally) {
        self.answered += other.answered;
        self.closed += other.closed;
        self.silent += other.silent;
        self.waiting += other.waiting;
        self.halves += other.halves;
        self.beyond_bytes = self.beyond_bytes.max(other.beyond_bytes);
    }
}
