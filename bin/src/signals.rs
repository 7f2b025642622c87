//! SIGTERM and SIGINT: the first stops the broker, or a member of a group, cleanly;
//! the second ends the process at once.

use std::io;

use millrace_server::Stopper;
use nix::sys::signal::{SigSet, Signal};
use tracing::info;

use crate::service::State;
use crate::{log_output, service};

/// Added to a signal's number by convention when it ends a process.
const CODE_OF_SIGNALS: i32 = 128;

/// The signals that stop a process; blocked in this thread and in those it starts.
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
    /// The first one stops a broker.
    pub(crate) fn stop_on_arrival(self, stopper: Stopper) -> io::Result<()> {
        let first = move |signal| {
            info!("{signal}: stopping");
            service::notify(State::Stopping);
            stopper.stop();
        };
        let second = |signal| {
            info!("{signal} again: ending at once; the next start recovers");
            log_output::finish();
        };
        self.on_arrival(first, second)
    }

    /// A thread of its own takes them for the rest of the process's life, which ends behind `second`.
    pub(crate) fn on_arrival(
        self,
        first: impl FnOnce(Signal) + Send + 'static,
        second: impl FnOnce(Signal) + Send + 'static,
    ) -> io::Result<()> {
        let take = move || {
            let Ok(signal) = self.0.wait() else { return };
            first(signal);
            if let Ok(signal) = self.0.wait() {
                second(signal);
                std::process::exit(code_of(signal));
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(take).map(drop)
    }
}

/// The exit code of a process that a signal ended at once.
pub(crate) fn code_of(signal: Signal) -> i32 {
    CODE_OF_SIGNALS + signal as i32
}
