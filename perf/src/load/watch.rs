//! What is looked at while a load runs: the broker's process, this program's own cost, and the progress.

use std::time::Duration;

use super::tally::Tally;
use crate::broker::Process;
use crate::error::ClientError;

/// What a broker's process took in the window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BrokerUse {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Largest resident memory seen.
    pub(crate) memory_peak: u64,
    /// Bytes it had written to and read from devices.
    pub(crate) written: u64,
    pub(crate) read: u64,
}

/// Told once a second what was counted since the last time.
pub(crate) trait Progress {
    fn second(&mut self, elapsed: Duration, groups: &[Tally], broker: Option<&BrokerUse>);
}

/// Shows nothing.
pub(crate) struct Quiet;

impl Progress for Quiet {
    fn second(&mut self, _elapsed: Duration, _groups: &[Tally], _broker: Option<&BrokerUse>) {}
}

/// A process whose use is counted from a moment on.
pub(super) struct Meter {
    process: Process,
    cpu: Duration,
    written: u64,
    read: u64,
    memory_peak: u64,
}

impl Meter {
    pub(super) fn start(process: Process) -> Result<Meter, ClientError> {
        let mut meter = Meter {
            process,
            cpu: process.cpu_time()?,
            written: process.written_bytes().unwrap_or_default(),
            read: process.read_bytes().unwrap_or_default(),
            memory_peak: 0,
        };
        meter.look();
        Ok(meter)
    }

    /// Looks at the memory, which may be lower at the end than in between.
    pub(super) fn look(&mut self) {
        let memory = self.process.memory().map(|memory| memory.all).unwrap_or_default();
        self.memory_peak = self.memory_peak.max(memory);
    }

    /// What it took since the start.
    pub(super) fn read(&mut self) -> Result<BrokerUse, ClientError> {
        self.look();
        Ok(BrokerUse {
            cpu: self.process.cpu_time()?.saturating_sub(self.cpu),
            memory_peak: self.memory_peak,
            // The kernel shows a process's bytes to its owner only.
            written: self.process.written_bytes().unwrap_or_default().saturating_sub(self.written),
            read: self.process.read_bytes().unwrap_or_default().saturating_sub(self.read),
        })
    }
}
