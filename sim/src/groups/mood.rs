//! What a member is told to do by nobody it knows: to be still for a while, to leave.

use std::cell::Cell;
use std::time::Duration;

use millrace_rt::{Moment, now, sleep};

/// Frozen members look so often whether they are still.
const FROZEN_LOOK: Duration = Duration::from_millis(10);

/// Of one member; shared by it and by whoever lets things befall it.
#[derive(Default)]
pub(crate) struct Mood {
    frozen_until: Cell<Moment>,
    is_leaving: Cell<bool>,
}

impl Mood {
    /// From now on, in place of what was said before.
    pub(crate) fn freeze(&self, duration: Duration) {
        self.frozen_until.set(now() + duration);
    }

    pub(crate) fn leave(&self) {
        self.is_leaving.set(true);
    }

    /// Says nothing for as long as it is frozen.
    pub(crate) async fn thaw(&self) {
        while self.is_frozen() {
            sleep(FROZEN_LOOK).await;
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        now() < self.frozen_until.get()
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.get()
    }
}
