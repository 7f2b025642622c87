//! The end of the process when its environment fails it (disk, memory): reason first, then a fixed exit code.

use crate::kernel::Kernel;
use crate::shard;

/// The exit code of a process that its environment failed (EX_SOFTWARE of sysexits).
pub const EXIT_FAILED: i32 = 70;

/// Ends the process with a reason; in the simulated world the node halts. Nothing after it runs.
pub async fn end_process(reason: String) -> ! {
    match &shard::current().kernel {
        Kernel::Uring(_) => {
            tracing::error!(%reason, "the process ends");
            #[expect(
                clippy::print_stderr,
                reason = "the last word must be seen without a log subscriber too"
            )]
            {
                eprintln!("millrace ends: {reason}");
            }
            std::process::exit(EXIT_FAILED);
        }
        Kernel::World(port) => port.end(reason),
    }
    std::future::pending().await
}
