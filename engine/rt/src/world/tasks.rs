//! The tasks of a simulated world and their wakers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::submission::names::ShardKey;
use crate::submission::notes::{Note, Notes};
use crate::twin::state::Body;

struct TaskWaker {
    task: u64,
    notes: Arc<Notes>,
    /// A wake that was not yet seen; more of them change nothing.
    pending: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.pending.swap(true, Ordering::SeqCst) {
            self.notes.push(Note::Wake(self.task));
        }
    }
}

struct WorldTask {
    key: ShardKey,
    /// None while it is polled.
    body: Option<Body>,
    waker: Arc<TaskWaker>,
}

/// A task taken out to be polled.
pub(super) struct Taken {
    pub(super) task: u64,
    pub(super) body: Body,
    pub(super) waker: Waker,
}

#[derive(Default)]
pub(super) struct Tasks {
    issued: u64,
    tasks: BTreeMap<u64, WorldTask>,
}

impl Tasks {
    pub(super) fn add(&mut self, key: ShardKey, body: Body, notes: &Arc<Notes>) -> u64 {
        self.issued += 1;
        let waker = TaskWaker { task: self.issued, notes: Arc::clone(notes), pending: AtomicBool::new(true) };
        self.tasks.insert(self.issued, WorldTask { key, body: Some(body), waker: Arc::new(waker) });
        self.issued
    }

    pub(super) fn shard_of(&self, task: u64) -> Option<ShardKey> {
        self.tasks.get(&task).map(|task| task.key)
    }

    pub(super) fn take(&mut self, task: u64) -> Option<Taken> {
        let found = self.tasks.get_mut(&task)?;
        found.waker.pending.store(false, Ordering::SeqCst);
        let body = found.body.take()?;
        Some(Taken { task, body, waker: Waker::from(Arc::clone(&found.waker)) })
    }

    pub(super) fn put_back(&mut self, task: u64, body: Body) {
        if let Some(found) = self.tasks.get_mut(&task) {
            found.body = Some(body);
        }
    }

    pub(super) fn remove(&mut self, task: u64) {
        self.tasks.remove(&task);
    }

    /// Takes all tasks of one shard out, to be dropped while that shard is current.
    pub(super) fn take_shard(&mut self, key: ShardKey) -> Vec<Body> {
        let of_shard: Vec<u64> =
            self.tasks.iter().filter(|(_, task)| task.key == key).map(|(id, _)| *id).collect();
        of_shard.into_iter().filter_map(|id| self.tasks.remove(&id)?.body).collect()
    }
}
