//! What handles, wakers and bells of the simulated world say to it while it is busy elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::submission::names::{ShardKey, SocketId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// A task can go on.
    Wake(u64),
    /// A shard's bell was rung.
    Bell(ShardKey),
    SocketClosed(SocketId),
}

/// A list that any thread may add to, in order; the world empties it after each step.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<Note>>);

impl Notes {
    pub(crate) fn push(&self, note: Note) {
        self.lock().push(note);
    }

    pub(crate) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
