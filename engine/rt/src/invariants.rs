//! Invariants of a program that the simulated world checks after every turn of a task.

use crate::kernel::Kernel;
use crate::shard;

/// In a simulated world, runs `check` whenever a task of this shard has ended its turn, in place of the check
/// before; one that does not hold panics, and the seed replays it. On the real kernel it is dropped:
/// nothing is paid for it.
pub fn check_each_turn(check: impl Fn() + 'static) {
    let shard = shard::current();
    if let Kernel::World(_) = shard.kernel {
        shard.set_invariants(Some(Box::new(check)));
    }
}
