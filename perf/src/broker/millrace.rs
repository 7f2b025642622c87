//! `millrace dev` as a child process on a data directory of its own.
#![expect(clippy::disallowed_types, reason = "a black box beside the broker: it looks for a free port")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::process::Process;
use crate::client::answers_versions;
use crate::clock;
use crate::disk;
use crate::error::ClientError;

/// A broker that does not answer by then is broken; a restart with a large log takes far less.
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
/// How often a starting broker is asked: below a percent of the target of 0.1 s.
const ASK_EVERY: Duration = Duration::from_micros(500);
/// Of the budget.
const MEMORY_SHARE: f64 = 1.05;
/// Lines of the broker's log that a failure shows.
const LOG_LINES: usize = 12;

/// How a broker is started.
#[derive(Debug, Clone)]
pub(crate) struct MillraceSettings {
    pub(crate) program: PathBuf,
    /// Directory of the run; the broker's data lies in `data`, its log in `broker.log`.
    pub(crate) dir: PathBuf,
    pub(crate) shards: u16,
    pub(crate) memory_mib: u64,
    /// Further arguments.
    pub(crate) arguments: Vec<String>,
}

impl MillraceSettings {
    /// What the process may take: its budget and 5 %, in units of 10^6 bytes.
    pub(crate) fn memory_limit_megabytes(&self) -> f64 {
        self.budget_megabytes(MEMORY_SHARE)
    }

    /// So many times its budget, in units of 10^6 bytes.
    pub(crate) fn budget_megabytes(&self, times: f64) -> f64 {
        ((self.memory_mib * 1024 * 1024) as f64 * times / 1e6).round()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Settings for a fresh data directory of that name beside this one.
    pub(crate) fn fresh(&self, name: &str) -> Result<MillraceSettings, ClientError> {
        let dir = self.dir.join(name);
        disk::remove_dir(&dir)?;
        disk::create_dir(&dir)?;
        Ok(MillraceSettings { dir, ..self.clone() })
    }
}

/// A running broker; dropping it kills it.
pub(crate) struct Millrace {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) settings: MillraceSettings,
    /// From the start of the process until it answered its first request.
    pub(crate) started_in: Duration,
}

impl Millrace {
    /// Returns when the broker answers requests.
    pub(crate) fn start(settings: &MillraceSettings) -> Result<Millrace, ClientError> {
        let address = free_address()?;
        let log = settings.dir.join("broker.log");
        let output = disk::append_to(&log)?;
        let errors = output.try_clone().map_err(ClientError::io("opening the broker's log"))?;
        let mut command = Command::new(&settings.program);
        command.arg("dev").arg("--data-dir").arg(settings.data_dir());
        command.args(["--listen", &address.to_string(), "--shards", &settings.shards.to_string()]);
        command.args(["--memory", &format!("{}MiB", settings.memory_mib)]).args(&settings.arguments);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let begun = clock::now();
        let child =
            command.spawn().map_err(ClientError::io(format!("starting {}", settings.program.display())))?;
        let mut broker = Millrace { child, address, settings: settings.clone(), started_in: Duration::ZERO };
        broker.await_ready(&log)?;
        broker.started_in = clock::now() - begun;
        Ok(broker)
    }

    fn await_ready(&mut self, log: &Path) -> Result<(), ClientError> {
        let deadline = clock::now() + READY_WITHIN;
        loop {
            if answers_versions(self.address, READY_WITHIN).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let text = format!("the broker ended while starting ({status}): {}", tail(log));
                return Err(ClientError::Broker(text));
            }
            if clock::now() > deadline {
                return Err(ClientError::Broker(format!("the broker does not answer: {}", tail(log))));
            }
            clock::sleep(ASK_EVERY);
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process { id: self.child.id() }
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<(), ClientError> {
        self.child.kill().map_err(ClientError::io("killing the broker"))?;
        self.child.wait().map(drop).map_err(ClientError::io("waiting for the broker's end"))
    }

    /// SIGTERM, and waits until it is gone: how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration, ClientError> {
        let begun = clock::now();
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default());
        kill(id, Signal::SIGTERM).map_err(|error| ClientError::Io {
            what: "stopping the broker".to_owned(),
            error: error.into(),
        })?;
        while clock::now() - begun < STOPPED_WITHIN {
            match self.child.try_wait().map_err(ClientError::io("waiting for the broker's end"))? {
                Some(status) if status.success() => return Ok(clock::now() - begun),
                Some(status) => return Err(ClientError::Broker(format!("the broker stopped with {status}"))),
                None => clock::sleep(ASK_EVERY),
            }
        }
        Err(ClientError::Broker(format!("the broker did not stop within {STOPPED_WITHIN:?} of SIGTERM")))
    }

    /// Last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.settings.dir.join("broker.log"))
    }
}

impl Drop for Millrace {
    fn drop(&mut self) {
        // It may have been ended and waited for; then there is nothing to do.
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// A port that is free now; the kernel does not give it out again soon.
pub(crate) fn free_address() -> Result<SocketAddr, ClientError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.and_then(|listener| listener.local_addr()).map_err(ClientError::io("looking for a free port"))
}

fn tail(log: &Path) -> String {
    let text = disk::read_text(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
