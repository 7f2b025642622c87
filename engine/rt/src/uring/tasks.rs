//! The tasks of a shard on the real kernel: polled by glommio, owned here,
//! so that they end when their shard does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

type HostedBody = Pin<Box<dyn Future<Output = ()>>>;
/// Where a task's body is while nobody polls it.
type Bed = Rc<RefCell<Option<HostedBody>>>;

#[derive(Default)]
pub(crate) struct HostedTasks {
    issued: Cell<u64>,
    polls: Rc<Cell<u64>>,
    bodies: Rc<RefCell<BTreeMap<u64, Bed>>>,
    /// glommio polls a task inside the call that spawns it; the spawner may hold what the task needs.
    spawning: Rc<Cell<bool>>,
}

impl HostedTasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let id = self.issued.get() + 1;
        self.issued.set(id);
        let cell: Bed = Rc::new(RefCell::new(Some(Box::pin(task))));
        self.bodies.borrow_mut().insert(id, Rc::clone(&cell));
        let bodies = Rc::clone(&self.bodies);
        let polls = Rc::clone(&self.polls);
        let spawning = Rc::clone(&self.spawning);
        let hosted = poll_fn(move |cx| {
            if spawning.get() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            polls.set(polls.get() + 1);
            // Absent: the shard has ended.
            let Some(mut body) = cell.borrow_mut().take() else { return Poll::Ready(()) };
            if body.as_mut().poll(cx).is_pending() {
                *cell.borrow_mut() = Some(body);
                return Poll::Pending;
            }
            bodies.borrow_mut().remove(&id);
            Poll::Ready(())
        });
        let outer = self.spawning.replace(true);
        drop(glommio::spawn_local(hosted).detach());
        self.spawning.set(outer);
    }

    /// How often tasks were polled: unchanged means that none could run.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// Drops every task that has not ended, in the order in which they were spawned.
    pub(crate) fn end_all(&self) {
        while let Some((_, cell)) = self.pop() {
            let body = cell.borrow_mut().take();
            drop(body);
        }
    }

    fn pop(&self) -> Option<(u64, Bed)> {
        self.bodies.borrow_mut().pop_first()
    }
}
