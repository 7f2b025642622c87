//! How far a broker is in its life, from opening to its end.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use millrace_rt::Gate;

use crate::broker::start_error::StartError;

/// Shared by all shards of a broker and by the threads beside them.
pub(super) struct Lifecycle {
    shards: u16,
    shards_open: AtomicU16,
    shards_quiet: AtomicU16,
    pub(super) listening: Gate,
    pub(super) ready: Gate,
    pub(super) quiet: Gate,
    pub(super) stop: Gate,
    failure: Mutex<Option<StartError>>,
}

/// How far a broker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Opening and recovering; clients are not served.
    Starting,
    Serving,
    Stopping,
}

/// Whether a shard was the last one to come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IsLast {
    Yes,
    No,
}

impl Lifecycle {
    pub(super) fn new(shards: u16) -> Lifecycle {
        Lifecycle {
            shards,
            shards_open: AtomicU16::new(0),
            shards_quiet: AtomicU16::new(0),
            listening: Gate::new(),
            ready: Gate::new(),
            quiet: Gate::new(),
            stop: Gate::new(),
            failure: Mutex::new(None),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match (self.stop.is_open(), self.ready.is_open()) {
            (true, _) => Phase::Stopping,
            (false, true) => Phase::Serving,
            (false, false) => Phase::Starting,
        }
    }

    /// One more shard serves. The last one makes the broker ready.
    pub(super) fn shard_opened(&self) -> IsLast {
        if self.shards_open.fetch_add(1, Ordering::AcqRel) + 1 < self.shards {
            return IsLast::No;
        }
        self.ready.open();
        IsLast::Yes
    }

    /// One more shard has no connections any more. After the last one no shard is asked anything.
    pub(super) fn shard_quiet(&self) {
        if self.shards_quiet.fetch_add(1, Ordering::AcqRel) + 1 == self.shards {
            self.quiet.open();
        }
    }

    /// Keeps the first error and ends the start of the other shards.
    pub(super) fn fail(&self, error: &StartError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| error.clone());
        drop(failure);
        self.stop.open();
    }

    /// The first error that ended the start of a shard.
    pub(super) fn failure(&self) -> Option<StartError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
