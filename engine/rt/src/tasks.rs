//! Tasks of the current shard: spawn, join, yield.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::shard;

enum Join<T> {
    Running(Option<Waker>),
    Finished(T),
    Taken,
}

/// Waits for the result of a spawned task. Dropping it detaches the task, which goes on.
pub struct Task<T> {
    join: Rc<RefCell<Join<T>>>,
}

impl<T> Task<T> {
    pub fn is_finished(&self) -> bool {
        !matches!(*self.join.borrow(), Join::Running(_))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut join = self.join.borrow_mut();
        match std::mem::replace(&mut *join, Join::Taken) {
            Join::Finished(value) => Poll::Ready(value),
            Join::Running(_) => {
                *join = Join::Running(Some(cx.waker().clone()));
                Poll::Pending
            }
            Join::Taken => panic!("a task was polled after its result was taken"),
        }
    }
}

/// Runs `future` as a task of the current shard. On the real kernel each call takes a lock of the process:
/// one long-lived task per connection or partition, none per request.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    let join = Rc::new(RefCell::new(Join::Running(None)));
    let result = Rc::clone(&join);
    shard::current().kernel.spawn(async move {
        let value = future.await;
        let before = result.replace(Join::Finished(value));
        if let Join::Running(Some(waker)) = before {
            waker.wake();
        }
    });
    Task { join }
}

/// Lets every other task that can run go first.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
