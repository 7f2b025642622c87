//! One scrape: the reports of all shards, gathered at the same time, and what the process knows of itself.

use std::time::Duration;

use millrace_core::base::ShardIndex;

use crate::admin::process::{self, ProcessStats};
use crate::broker::context::BrokerContext;
use crate::broker::lifecycle::Phase;
use crate::metrics::counts::{BrokerStats, ShardReport};
use crate::quota::MeterReport;
use crate::telemetry::ClientMetricsReport;

/// How long a shard may take to answer. After that it counts as missing.
/// Prometheus gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one scrape found.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) phase: Option<Phase>,
    pub(crate) uptime: Duration,
    pub(crate) process: ProcessStats,
    pub(crate) broker: BrokerStats,
    pub(crate) shards: Vec<(ShardIndex, ShardReport)>,
    /// Shards that did not answer in time.
    pub(crate) missing_shards: u64,
    pub(crate) log_lines_lost: u64,
    /// The meters of some clients with quotas.
    pub(crate) meters: Vec<MeterReport>,
    /// The number of all meters.
    pub(crate) meter_count: usize,
    pub(crate) client_metrics: ClientMetricsReport,
}

impl Scrape {
    /// Asks every serving shard. Holds up none of them.
    pub(crate) async fn take(broker: &BrokerContext, uptime: Duration) -> Scrape {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let asked = broker.probe().ask_reports();
        let mut scrape = Scrape {
            phase: Some(broker.phase()),
            uptime,
            process: process::read(),
            log_lines_lost: broker.log_lines_lost(),
            meters: broker.meters().reports(),
            meter_count: broker.meters().len(),
            client_metrics: broker.client_metrics().report(),
            ..Scrape::default()
        };
        for (shard, response) in asked {
            match tokio::time::timeout_at(deadline, response).await {
                Ok(Ok(report)) => {
                    scrape.broker = report.broker.unwrap_or(scrape.broker);
                    scrape.shards.push((shard, report));
                }
                // The shard has stopped meanwhile.
                Ok(Err(_)) => {}
                Err(_) => scrape.missing_shards += 1,
            }
        }
        scrape
    }

    /// Returns a sum over all shards.
    pub(crate) fn sum(&self, of: impl Fn(&ShardReport) -> u64) -> u64 {
        self.shards.iter().map(|(_, report)| of(report)).sum()
    }
}

/// Returns whether every serving shard takes its turns.
pub(crate) async fn all_alive(broker: &BrokerContext) -> bool {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for (_, response) in broker.probe().ask_alive() {
        if tokio::time::timeout_at(deadline, response).await.is_err() {
            return false;
        }
    }
    true
}
