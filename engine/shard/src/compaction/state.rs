//! What compaction of a shard waits for, what it has done, and how it is stopped.

use std::cell::Cell;
use std::time::Duration;

use millrace_core::base::measure::Counter;
use millrace_rt::{Moment, Shutdown, Signal};

use crate::directory::layout::Generation;

/// Compaction of one shard. One log is compacted at a time.
pub(crate) struct Compaction {
    pub(crate) look: Signal,
    /// Of the last file that was begun.
    number: Cell<u64>,
    pub(crate) shutdown: Shutdown,
    pub(crate) counts: CompactionCounts,
}

/// Since the shard opened, but for what says otherwise.
#[derive(Debug, Default)]
pub(crate) struct CompactionCounts {
    pub(crate) passes: CompactionPassCounts,
    pub(crate) bytes: CompactionBytesCounts,
    pub(crate) backlog: CompactionBacklogCounts,
}

/// Passes over logs.
#[derive(Debug, Default)]
pub(crate) struct CompactionPassCounts {
    pub(crate) count: Counter,
    pub(crate) nanos: Counter,
    pub(crate) last_nanos: Cell<u64>,
    /// Passes that were given up: of disks that fail or are full.
    pub(crate) given_up: Counter,
    /// How full the key map of the newest pass was, in percent.
    pub(crate) map_percent: Cell<u64>,
}

/// What passes moved.
#[derive(Debug, Default)]
pub(crate) struct CompactionBytesCounts {
    pub(crate) read: Counter,
    pub(crate) written: Counter,
    /// Bytes that took the place of others, and those.
    pub(crate) replaced: Counter,
    pub(crate) replacing: Counter,
    pub(crate) records_dropped: Counter,
}

/// What is left to do, as of the newest search.
#[derive(Debug, Default)]
pub(crate) struct CompactionBacklogCounts {
    /// Of the dirtiest log that was looked at in the newest search, in percent.
    pub(crate) dirty_percent: Cell<u64>,
    /// Of the newest search: bytes that could be compacted, of all logs.
    pub(crate) dirty_bytes: Cell<u64>,
    /// Of the newest search: the longest time beyond a log's greatest lag.
    pub(crate) delay_ms: Cell<u64>,
    /// Logs that hold a damaged batch, and are not compacted before the next start.
    pub(crate) uncleanable: Counter,
    /// Of the newest search: bytes that could be compacted if no batch were damaged.
    pub(crate) uncleanable_bytes: Cell<u64>,
}

/// Compaction of one shard at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompactionStats {
    pub passes: CompactionPassStats,
    pub bytes: CompactionBytesStats,
    pub backlog: CompactionBacklogStats,
}

/// Passes over logs.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompactionPassStats {
    pub count: u64,
    pub nanos: u64,
    /// How long the newest pass took.
    pub last_nanos: u64,
    pub given_up: u64,
    /// How full the key map of the newest pass was.
    pub map_percent: u64,
}

/// What passes moved.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompactionBytesStats {
    pub read: u64,
    pub written: u64,
    pub replaced: u64,
    pub replacing: u64,
    pub records_dropped: u64,
}

/// What is left to do, as of the newest search.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompactionBacklogStats {
    /// Of the dirtiest log in the newest search.
    pub dirty_percent: u64,
    /// Bytes that may be compacted, as of the newest search.
    pub dirty_bytes: u64,
    /// By how much the log that waits longest was beyond its greatest lag in the newest search.
    pub delay_ms: u64,
    /// Logs that are not compacted before the next start: they hold a damaged batch.
    pub uncleanable: u64,
    /// Bytes of logs with a damaged batch that would be compacted, as of the newest search.
    pub uncleanable_bytes: u64,
}

impl Compaction {
    /// Of the run with that number.
    pub(crate) fn new(generation: Generation) -> Compaction {
        Compaction {
            look: Signal::new(),
            number: Cell::new(generation.0 << 32),
            shutdown: Shutdown::default(),
            counts: CompactionCounts::default(),
        }
    }

    /// No other file has it, of an earlier run either: those may still wait for their end.
    pub(crate) fn next_number(&self) -> u64 {
        let number = self.number.get() + 1;
        self.number.set(number);
        number
    }

    /// Gives up what is under way, unless a frame tells of it already.
    pub(crate) async fn stop(&self) {
        self.shutdown.ask(&self.look).await;
    }

    pub(crate) fn stats(&self) -> CompactionStats {
        let counts = &self.counts;
        CompactionStats {
            passes: CompactionPassStats {
                count: counts.passes.count.get(),
                nanos: counts.passes.nanos.get(),
                last_nanos: counts.passes.last_nanos.get(),
                given_up: counts.passes.given_up.get(),
                map_percent: counts.passes.map_percent.get(),
            },
            bytes: CompactionBytesStats {
                read: counts.bytes.read.get(),
                written: counts.bytes.written.get(),
                replaced: counts.bytes.replaced.get(),
                replacing: counts.bytes.replacing.get(),
                records_dropped: counts.bytes.records_dropped.get(),
            },
            backlog: CompactionBacklogStats {
                dirty_percent: counts.backlog.dirty_percent.get(),
                dirty_bytes: counts.backlog.dirty_bytes.get(),
                delay_ms: counts.backlog.delay_ms.get(),
                uncleanable: counts.backlog.uncleanable.get(),
                uncleanable_bytes: counts.backlog.uncleanable_bytes.get(),
            },
        }
    }
}

/// Keeps to a rate in bytes per second (`log.cleaner.io.max.bytes.per.second`).
pub(crate) struct IoPace {
    bytes_per_second: f64,
    begun: Moment,
    bytes: Cell<u64>,
}

impl IoPace {
    pub(crate) fn new(bytes_per_second: f64) -> IoPace {
        IoPace { bytes_per_second, begun: millrace_rt::now(), bytes: Cell::new(0) }
    }

    /// Counts what was just read or written, and waits until it was due, or compaction stops.
    pub(crate) async fn pay(&self, bytes: u64, compaction: &Compaction) {
        let total = self.bytes.get() + bytes;
        self.bytes.set(total);
        let Some(due) = due_after(total, self.bytes_per_second) else { return };
        while !compaction.shutdown.is_asked() {
            let waited = millrace_rt::now() - self.begun;
            if due <= waited {
                return;
            }
            millrace_rt::timeout(due - waited, compaction.look.wait()).await;
        }
    }
}

/// When `bytes` are due at that rate; none without a rate to keep to.
fn due_after(bytes: u64, bytes_per_second: f64) -> Option<Duration> {
    /// A rate above is none: Kafka's default is the largest number there is.
    const RATE_MAX: f64 = 1e15;
    /// A rate of next to nothing may still be changed.
    const WAIT_MAX: Duration = Duration::from_secs(60);
    if bytes_per_second.is_nan() || bytes_per_second >= RATE_MAX {
        return None;
    }
    let seconds = bytes as f64 / bytes_per_second.max(1.0);
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_says_when_bytes_are_due() {
        let cases = [
            (1000, 500.0, Some(Duration::from_secs(2))),
            (1000, f64::MAX, None),
            (1000, f64::NAN, None),
            (3, 0.0, Some(Duration::from_secs(3))),
            (0, 500.0, Some(Duration::ZERO)),
        ];
        for (bytes, rate, due) in cases {
            assert_eq!(due_after(bytes, rate), due, "{bytes} at {rate}");
        }
    }
}
