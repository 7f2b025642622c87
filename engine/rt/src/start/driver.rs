//! The driver of a shard: submits what tasks queued, hands out what came back, sleeps when there is nothing.

use std::rc::Rc;

use crate::kernel::Kernel;
use crate::shard::Shard;
use crate::tasks::yield_now;
use crate::uring::ring::Ring;

/// Runs as long as the shard, among its tasks, and never waits as they do: it stands in the executor's queue,
/// or, when nothing of the shard can run, it stops the thread in the one call that brings completions, timers
/// and the bell. (The executor's own parking takes four calls and a second wake-up through an eventfd,
/// each time.) It never spins.
///
/// Sound because whatever makes a task run comes from a task or from a turn of this one:
/// other threads only ring.
pub(crate) async fn drive(shard: Rc<Shard>) {
    let Kernel::Uring(host) = &shard.kernel else { panic!("the driver belongs to the real kernel") };
    let ring = &host.ring;
    // None yet: tasks that were spawned before this one have their first poll first.
    let mut polls = None;
    loop {
        let before = polls.replace(host.tasks.polls());
        let has_run = before != polls;
        if turn(&shard, ring) || has_run {
            yield_now().await;
            continue;
        }
        // From here on other shards ring.
        if shard.remote.park() {
            ring.wait();
            shard.remote.unpark();
        }
    }
}

/// One round: the kernel, the other shards, the clock. True if anything moved.
fn turn(shard: &Rc<Shard>, ring: &Ring) -> bool {
    let now = shard.now();
    let moved = ring.turn(now, shard.timers.next_deadline());
    let attended = shard.attend();
    let fired = shard.timers.fire(now);
    moved || attended || fired
}
