//! Logs as text on standard error, written so that a reader who does not read never stops a shard.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::EnvFilter;

/// Says what is logged, in the form of the `tracing` filters.
const FILTER_VARIABLE: &str = "MILLRACE_LOG";

/// A pipe that can be written to takes so many bytes without blocking (POSIX `PIPE_BUF`).
const PIECE_BYTES: usize = 4096;

/// Lines that nobody read in time.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts logging. Later calls change nothing.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| UnblockedStderr)
        .finish();
    let _already_set = tracing::subscriber::set_global_default(subscriber);
}

/// Writes what fits and drops the rest, with a count.
struct UnblockedStderr;

impl Write for UnblockedStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr();
        if !is_writable(&stderr) {
            LOST.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let lost = LOST.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(stderr, "({lost} lines were not read in time and are lost)");
        }
        for piece in line.chunks(PIECE_BYTES) {
            if is_writable(&stderr) {
                stderr.write_all(piece)?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_writable(stderr: &io::Stderr) -> bool {
    let mut descriptors = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut descriptors, PollTimeout::ZERO) {
        Ok(ready) => ready > 0,
        Err(_) => false,
    }
}
