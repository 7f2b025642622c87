//! Processor time of the brokers, of the tool and of everybody else while a figure was taken.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::clock;
use crate::disk;

/// Fields of the first line of /proc/stat that count time in which a processor was busy: user, nice, system,
/// irq, softirq.
const BUSY_FIELDS: [usize; 5] = [1, 2, 3, 6, 7];
const TICKS_PER_SECOND: f64 = 100.0;

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
    let text = disk::read_text(Path::new("/proc/stat")).unwrap_or_default();
    let fields: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
    let ticks = BUSY_FIELDS.iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}
