//! How a task of a shard is asked to end, and says that it has.

use std::cell::Cell;

use crate::sync::signal::Signal;

/// Shared by one task and those who end it; stays on its shard.
/// The task ends between two pieces of work, never within one.
#[derive(Default)]
pub struct Shutdown {
    asked: Cell<bool>,
    done: Cell<bool>,
    ended: Signal,
}

impl Shutdown {
    /// Whether the task is to begin nothing more.
    pub fn is_asked(&self) -> bool {
        self.asked.get()
    }

    /// The task does nothing more.
    pub fn done(&self) {
        self.done.set(true);
        self.ended.notify_all();
    }

    /// Asks the task to end, wakes it where it waits for `work`, and returns once it is done.
    /// Dropping the future leaves it asked.
    pub async fn ask(&self, work: &Signal) {
        self.asked.set(true);
        work.notify_all();
        while !self.done.get() {
            self.ended.wait().await;
        }
    }
}
