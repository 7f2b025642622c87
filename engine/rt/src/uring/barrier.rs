//! Registers the process-wide memory barrier that the executor uses before it parks.
#![allow(unsafe_code)]
// `unsafe` here: a system call that libc does not wrap. It takes no pointers.

/// The executor would do this at its first sleep, where it waits 10-17 ms for a grace period of the kernel.
/// While the process has one thread it costs nothing. Where the call is unknown the executor has other means.
pub(crate) fn register() {
    const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
    // SAFETY: no memory is passed.
    let _ = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) };
}
