//! What this machine itself can do, measured between the phases and the table.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::ClientError;
use crate::measure::{Latencies, Table};
use crate::probe::{DiskReadProbe, DsyncProbe, Pace, PingPong, disk_write_rate, loopback_rate};

/// Of each probe.
const LENGTH: Duration = Duration::from_secs(1);

/// Rates in bytes per second, latencies of one step after another.
pub(super) struct Probes {
    disk_write: f64,
    disk_read: f64,
    read_depth: usize,
    loopback: f64,
    dsync: Latencies,
    ping_pong: Latencies,
}

impl Probes {
    pub(super) fn take(dir: &Path) -> Result<Probes, ClientError> {
        let disk_read = DiskReadProbe::new(dir)?.best(LENGTH)?;
        let mut dsync = DsyncProbe::new(dir)?;
        let mut ping_pong = PingPong::new()?;
        Ok(Probes {
            disk_write: disk_write_rate(dir, LENGTH)?,
            disk_read: disk_read.bytes_per_second,
            read_depth: disk_read.depth,
            loopback: loopback_rate(LENGTH)?,
            dsync: Latencies::of(&Pace::BackToBack.run(LENGTH, || dsync.once())?),
            ping_pong: Latencies::of(&Pace::BackToBack.run(LENGTH, || ping_pong.once())?),
        })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let megabytes = |rate: f64| rate / 1e6;
        vec![format!(
            "disk: {:.0} MB/s written directly, {:.0} MB/s read directly at depth {}; loopback: {:.0} MB/s",
            megabytes(self.disk_write),
            megabytes(self.disk_read),
            self.read_depth,
            megabytes(self.loopback)
        )]
    }

    pub(super) fn rows(&self, table: &mut Table) {
        table.latencies("probe: 4 KiB DSYNC write", &self.dsync);
        table.latencies("probe: loopback ping-pong", &self.ping_pong);
    }

    pub(super) fn value(&self) -> Value {
        json!({
            "disk_write_bytes_per_second": self.disk_write,
            "disk_read_bytes_per_second": self.disk_read,
            "disk_read_depth": self.read_depth,
            "loopback_bytes_per_second": self.loopback,
            "dsync_p50_us": self.dsync.median().as_secs_f64() * 1e6,
            "dsync_p99_us": self.dsync.at(0.99).as_secs_f64() * 1e6,
            "ping_pong_p50_us": self.ping_pong.median().as_secs_f64() * 1e6,
            "ping_pong_p99_us": self.ping_pong.at(0.99).as_secs_f64() * 1e6,
        })
    }
}
