//! SIGTERM and SIGINT: the first stops the broker cleanly, the second ends the process at once.

use std::io;

use millrace_server::Stopper;
use nix::sys::signal::{SigSet, Signal};
use tracing::info;

use crate::service::State;
use crate::{log_output, service};

/// Added to a signal's number by convention when it ends a process.
const CODE_OF_SIGNALS: i32 = 128;

/// The signals that stop a broker; blocked in this thread and in those it starts.
pub(crate) struct StopSignals(SigSet);

/// Blocks them: from now on they wait until somebody takes them.
pub(crate) fn block() -> nix::Result<StopSignals> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block()?;
    Ok(StopSignals(signals))
}

impl StopSignals {
    /// A thread of its own takes them for the rest of the process's life.
    pub(crate) fn stop_on_arrival(self, stopper: Stopper) -> io::Result<()> {
        let take = move || {
            let Ok(signal) = self.0.wait() else { return };
            info!("{signal}: stopping");
            service::notify(State::Stopping);
            stopper.stop();
            if let Ok(signal) = self.0.wait() {
                info!("{signal} again: ending at once; the next start recovers");
                log_output::finish();
                std::process::exit(CODE_OF_SIGNALS + signal as i32);
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(take).map(drop)
    }
}
