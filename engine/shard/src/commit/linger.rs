//! When sealed frames go to the device: at once if a response waits for that,
//! a little later and together where nobody does.

use std::time::Duration;

use crate::commit::queue::{Commit, SEAL_AHEAD_BYTES, Sealed};

/// How long a frame may wait that was answered at its seal. A power loss takes that much more of what it
/// would have taken anyway; in return the response leaves before the device is asked, which costs the shard's
/// thread 20 us on a virtual machine, and records that come one by one share writes,
/// each of which interrupts a processor twice.
const LINGER: Duration = Duration::from_micros(500);

impl Commit {
    /// Completes when sealed frames are due to be written.
    pub(crate) async fn until_due(&self) {
        while let Some(wait) = self.due_in() {
            match wait {
                Wait::ForFrames => self.signals.frames.wait().await,
                Wait::For(wait) => drop(millrace_rt::timeout(wait, self.signals.frames.wait()).await),
            }
        }
    }

    /// None: now.
    fn due_in(&self) -> Option<Wait> {
        if !self.begun.borrow().is_empty() {
            return None;
        }
        let Some(first) = self.journal.borrow().waiting().next().map(|frame| frame.sequence) else {
            return Some(Wait::ForFrames);
        };
        let bytes = self.sealed_bytes_waiting();
        if !self.has_device_room(bytes) {
            return Some(Wait::ForFrames);
        }
        let sealed = self.sealed.borrow();
        let mut waiting = sealed.iter().skip_while(|frame| frame.sequence < first).peekable();
        let since = waiting.peek().map(|frame| frame.at);
        let is_wanted = first <= self.wanted.get() || waiting.any(Sealed::is_waited_for);
        if is_wanted || bytes >= SEAL_AHEAD_BYTES {
            return None;
        }
        let left = LINGER.saturating_sub(millrace_rt::now() - since?);
        (!left.is_zero()).then_some(Wait::For(left))
    }
}

enum Wait {
    ForFrames,
    For(Duration),
}
