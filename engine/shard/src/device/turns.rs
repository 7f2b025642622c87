//! A right that one task of the shard has at a time.

use std::cell::Cell;

use millrace_rt::Signal;

#[derive(Default)]
pub struct Turns {
    busy: Cell<bool>,
    freed: Signal,
}

impl Turns {
    /// Waits for the right. Those who wait get it in any order.
    /// Dropping the future leaves it to others.
    pub async fn turn(&self) -> Turn<'_> {
        while self.busy.replace(true) {
            self.freed.wait().await;
        }
        Turn(self)
    }
}

/// The right; the next one waits until it is dropped.
pub struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.busy.set(false);
        self.0.freed.notify_all();
    }
}
