//! What checkpoints wait for.

use std::cell::Cell;

use millrace_rt::Signal;

/// Taken while a frame says what the files do not show yet: that a segment took the place of others, and its
/// file has not their name. A checkpoint that is written meanwhile would make the frame needless too early.
#[derive(Default)]
pub(crate) struct CheckpointHold {
    is_taken: Cell<bool>,
    freed: Signal,
}

impl CheckpointHold {
    pub(crate) fn take(&self) {
        self.is_taken.set(true);
    }

    pub(crate) fn free(&self) {
        self.is_taken.set(false);
        self.freed.notify_all();
    }

    pub(crate) async fn until_free(&self) {
        while self.is_taken.get() {
            self.freed.wait().await;
        }
    }
}
