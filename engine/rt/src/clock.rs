//! Time and chance of the current shard: now, sleep, timeout, random numbers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::moment::Moment;
use crate::select::{Either, select};
use crate::shard;
use crate::timers::TimerKey;

/// Monotonic time, the same on all shards of a process.
pub fn now() -> Moment {
    shard::current().now()
}

/// Wall clock time in milliseconds since 1970; it may jump.
pub fn wall_now_ms() -> i64 {
    shard::current().kernel.wall_now_ms()
}

/// Sleeps at least `duration`. Dropping the future takes the timer back.
pub async fn sleep(duration: Duration) {
    sleep_until(now() + duration).await;
}

/// Sleeps until `deadline` or a little longer; yields once if it has passed.
pub async fn sleep_until(deadline: Moment) {
    Sleep { deadline, timer: None }.await;
}

/// The result of `future`, or none if it takes longer than `duration`; the future is dropped then.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(future, sleep(duration)).await {
        Either::Left(value) => Some(value),
        Either::Right(()) => None,
    }
}

/// A random number; from a seed in the simulated world.
pub fn random_u64() -> u64 {
    shard::current().random_u64()
}

pub fn fill_random(bytes: &mut [u8]) {
    let shard = shard::current();
    for chunk in bytes.chunks_mut(8) {
        let random = shard.random_u64().to_le_bytes();
        for (byte, random) in chunk.iter_mut().zip(random) {
            *byte = random;
        }
    }
}

struct Sleep {
    deadline: Moment,
    timer: Option<TimerKey>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shard = shard::current();
        match self.timer {
            Some(key) if shard.timers.renew(key, cx.waker()) => Poll::Pending,
            Some(_) => {
                self.timer = None;
                Poll::Ready(())
            }
            None => {
                self.timer = Some(shard.timers.set(self.deadline, cx.waker()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(key), Some(shard)) = (self.timer, shard::try_current()) {
            shard.timers.clear(key);
        }
    }
}
