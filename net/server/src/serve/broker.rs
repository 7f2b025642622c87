//! `Broker`: a whole broker on threads of its own, to be embedded or to be a process.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use millrace_rt::{Seat, Settings};
use tracing::error;

use crate::admin::SideThread;
use crate::broker::context::{BrokerContext, OnReady};
use crate::broker::loggers::Loggers;
use crate::broker::settings::BrokerSettings;
use crate::broker::start_error::StartError;
use crate::serve::serve_shard;

/// One broker, made for one run.
pub struct Broker {
    context: BrokerContext,
}

/// Ends a broker from any thread.
#[derive(Clone)]
pub struct Stopper {
    context: BrokerContext,
}

impl Broker {
    /// Calls `on_ready` with the opened addresses once every shard serves.
    pub fn new(settings: BrokerSettings, on_ready: OnReady) -> Result<Broker, StartError> {
        Ok(Broker { context: BrokerContext::new(settings, Some(on_ready))? })
    }

    pub fn stopper(&self) -> Stopper {
        Stopper { context: self.context.clone() }
    }

    /// Lets the metrics show how many lines the process's log could not take.
    pub fn count_lost_log_lines(&self, lost: Arc<AtomicU64>) {
        self.context.count_lost_log_lines(lost);
    }

    /// Lets clients see and set the levels of the process's loggers.
    pub fn hand_over_loggers(&self, loggers: Loggers) {
        self.context.hand_over_loggers(loggers);
    }

    /// Serves until it is stopped. Blocks the calling thread.
    pub fn run(self) -> Result<(), StartError> {
        let machine = millrace_rt::probe().map_err(|error| StartError::Runtime(error.to_string()))?;
        self.context.limit_descriptors(machine.descriptors);
        let side =
            self.context.admin_wanted().map(|wanted| SideThread::start(&self.context, wanted)).transpose()?;
        let result = self.run_shards();
        if let Some(side) = side {
            side.stop();
        }
        result?;
        self.context.failure().map_or(Ok(()), Err)
    }

    fn run_shards(&self) -> Result<(), StartError> {
        let settings = self.context.settings();
        let runtime = Settings {
            shards: settings.shards,
            memory_bytes: settings.memory_bytes,
            directory: settings.journal_directory().to_owned(),
            name: "millrace".to_owned(),
        };
        let broker = self.context.clone();
        let main = move |seat: Seat| {
            let broker = broker.clone();
            async move {
                if let Err(error) = serve_shard(broker, seat).await {
                    error!(%error, "a shard did not start");
                }
            }
        };
        millrace_rt::run(runtime, main).map_err(|error| StartError::Runtime(error.to_string()))
    }
}

impl Stopper {
    /// Ends the broker cleanly. `run` returns when everything is on disk.
    pub fn stop(&self) {
        self.context.stop();
    }
}

/// Returns the name of this machine, as clients of another machine may know it,
/// or `localhost` if it has none.
pub fn machine_name() -> String {
    #[expect(clippy::disallowed_methods, reason = "a file of the kernel, read before any shard runs")]
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
