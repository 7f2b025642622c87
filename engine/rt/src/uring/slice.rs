//! How long a shard's thread may run beside others of its processor: longer than the workers of the kernel.
#![allow(unsafe_code)]
// `unsafe` here: system calls that libc does not wrap. They read and write one structure,
// which outlives them.

use std::mem::size_of;
use std::time::Duration;

/// Longer than the kernel's default, which is 2.8 ms at most. A durable write ends in a worker of the kernel
/// on the processor that began it; one whose slices are shorter than the running thread's has its turn when
/// it wakes, any other waits until that thread sleeps (beside a busy reader: 0.003 ms instead of 0.7,
/// twice in each commit).
const SLICE: Duration = Duration::from_millis(20);

/// Gives the calling thread long slices, as it may for itself. Its share of the processor stays what it was.
/// Kernels before 6.12 know nothing of this, and some sandboxes forbid the call:
/// then commits end later under load.
pub(crate) fn lengthen() {
    const THIS_THREAD: libc::c_int = 0;
    const NO_FLAGS: libc::c_uint = 0;
    // SAFETY: all zero is a valid `sched_attr`.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let length = size_of::<libc::sched_attr>() as libc::c_uint;
    // SAFETY: the structure is as long as the kernel is told.
    let got =
        unsafe { libc::syscall(libc::SYS_sched_getattr, THIS_THREAD, &raw mut attributes, length, NO_FLAGS) };
    let is_ordinary = attributes.sched_policy == libc::SCHED_OTHER as u32;
    if got != 0 || !is_ordinary {
        return;
    }
    attributes.size = length;
    attributes.sched_flags = 0;
    attributes.sched_runtime = u64::try_from(SLICE.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: as above; the kernel only reads it.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, &raw const attributes, NO_FLAGS) };
}
