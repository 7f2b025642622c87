//! The log of the process, as far as the process has handed it to the broker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::broker::loggers::Loggers;

/// Shared by all shards. A process has one log, so each part is set once.
#[derive(Default)]
pub(super) struct ProcessLog {
    lines_lost: OnceLock<Arc<AtomicU64>>,
    loggers: OnceLock<Loggers>,
}

impl ProcessLog {
    /// The number of lines that the log could not take; 0 if they are not counted.
    pub(super) fn lines_lost(&self) -> u64 {
        self.lines_lost.get().map_or(0, |lost| lost.load(Ordering::Relaxed))
    }

    pub(super) fn count_lost_lines(&self, lost: Arc<AtomicU64>) {
        assert!(self.lines_lost.set(lost).is_ok(), "a process has one log");
    }

    pub(super) fn loggers(&self) -> Option<&Loggers> {
        self.loggers.get()
    }

    pub(super) fn set_loggers(&self, loggers: Loggers) {
        assert!(self.loggers.set(loggers).is_ok(), "a process has one log");
    }
}
