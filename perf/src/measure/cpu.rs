//! Processor time of the brokers, of the tool and of everybody else while a figure was taken.

use std::time::{Duration, Instant};

use procfs::{CurrentSI, KernelStats};

use crate::clock;

/// Begun before a figure, read after it.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    begun: Instant,
    machine: f64,
}

impl CpuMeter {
    pub(crate) fn start() -> CpuMeter {
        CpuMeter { begun: clock::now(), machine: machine_busy_seconds() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        clock::now() - self.begun
    }

    /// Processors that the whole machine kept busy on average, this tool and the brokers included.
    pub(crate) fn busy_processors(&self) -> f64 {
        (machine_busy_seconds() - self.machine) / self.elapsed().as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

fn machine_busy_seconds() -> f64 {
    let Ok(KernelStats { total, .. }) = KernelStats::current() else { return 0.0 };
    let in_interrupts = total.irq.unwrap_or_default() + total.softirq.unwrap_or_default();
    let ticks = total.user + total.nice + total.system + in_interrupts;
    ticks as f64 / procfs::ticks_per_second() as f64
}
