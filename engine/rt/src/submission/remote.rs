//! How other threads reach a shard: a list of completions and a bell that wakes it when it is parked.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use crate::submission::names::ShardKey;
use crate::submission::notes::{Note, Notes};
use crate::submission::operation::Answer;
use crate::submission::slots::SlotId;

enum Bell {
    /// The shard's ring watches it while the shard sleeps.
    Eventfd(OwnedFd),
    World {
        notes: Arc<Notes>,
        key: ShardKey,
    },
}

/// The outside of one shard.
pub(crate) struct Remote {
    bell: Bell,
    /// Something happened since the shard last looked.
    rung: AtomicBool,
    /// The shard waits for its eventfd: whoever clears this writes it.
    parked: AtomicBool,
    completions: Mutex<Vec<(SlotId, Answer)>>,
}

impl Remote {
    pub(crate) fn with_eventfd(eventfd: OwnedFd) -> Arc<Remote> {
        Arc::new(Remote::new(Bell::Eventfd(eventfd)))
    }

    pub(crate) fn in_world(notes: Arc<Notes>, key: ShardKey) -> Arc<Remote> {
        Arc::new(Remote::new(Bell::World { notes, key }))
    }

    fn new(bell: Bell) -> Remote {
        Remote {
            bell,
            rung: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            completions: Mutex::new(Vec::new()),
        }
    }

    /// Makes the shard look at its lanes and completions soon. What it shall find must be published before.
    pub(crate) fn ring(&self) {
        let first = !self.rung.swap(true, Ordering::SeqCst);
        match &self.bell {
            Bell::Eventfd(eventfd) => {
                fence(Ordering::SeqCst);
                if self.parked.load(Ordering::SeqCst) && self.parked.swap(false, Ordering::SeqCst) {
                    // A full counter (EAGAIN cannot happen below 2^64 rings) would still leave the shard
                    // awake.
                    let _ = nix::unistd::write(eventfd, &1u64.to_ne_bytes());
                }
            }
            Bell::World { notes, key } if first => notes.push(Note::Bell(*key)),
            Bell::World { .. } => {}
        }
    }

    pub(crate) fn complete(&self, slot: SlotId, answer: Answer) {
        self.completions.lock().unwrap_or_else(PoisonError::into_inner).push((slot, answer));
        self.ring();
    }

    /// True once per ring: the shard shall look at everything others can reach.
    pub(crate) fn was_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire) && self.rung.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn take_completions(&self) -> Vec<(SlotId, Answer)> {
        std::mem::take(&mut *self.completions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Announces that the shard will sleep. False, and not parked, if somebody rang meanwhile.
    pub(crate) fn park(&self) -> bool {
        self.parked.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.rung.load(Ordering::SeqCst) {
            self.parked.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }

    pub(crate) fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }
}
