//! Retention: looks at every partition now and then, and at one whose segment just ended at once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::TimestampMs;
use millrace_core::log::segments::Segment as SegmentFacts;
use millrace_core::log::{Expired, RetainedLog, RetentionRules};
use millrace_rt::{Moment, Shutdown};

use crate::checkpoint::log_start::LogStarts;
use crate::partition::rolled::RolledPartitions;
use crate::partition::starts::ActiveSegment;
use crate::partition::state::{Partition, PartitionRef};
use crate::partition::table::Table;

/// Longer pauses would not fit the clock.
const PAUSE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// Partitions looked at before other tasks run.
const PARTITIONS_PER_TURN: usize = 64;

/// Lets the logs of one shard begin later. Driven by one task.
pub(crate) struct Retention {
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) table: Rc<Table>,
    pub(crate) rolled: Rc<RolledPartitions>,
    pub(crate) starts: Rc<LogStarts>,
    /// When this run began; nothing that it found was written later.
    pub(crate) opened: TimestampMs,
    pub(crate) shutdown: Shutdown,
}

impl Retention {
    /// Ends after the partition that it looks at.
    pub(crate) async fn stop(&self) {
        self.shutdown.ask(&self.rolled.came).await;
    }

    /// Lets logs begin later as their topics' retention says. Runs until the shard ends.
    pub(crate) async fn run(self: Rc<Self>) {
        let interval = self.config.retention_check_interval().min(PAUSE_MAX);
        let mut due: Moment = millrace_rt::now() + interval.min(self.config.initial_task_delay());
        while !self.shutdown.is_asked() {
            let rolled = self.rolled.next();
            if let Some(partition) = rolled {
                self.retain(&partition).await;
                continue;
            }
            let now = millrace_rt::now();
            if now < due {
                millrace_rt::timeout(due - now, self.rolled.came.wait()).await;
                continue;
            }
            self.retain_all().await;
            due = millrace_rt::now() + interval;
        }
        self.shutdown.done();
    }

    async fn retain_all(&self) {
        for (place, partition) in self.table.all().iter().enumerate() {
            if self.shutdown.is_asked() {
                return;
            }
            self.retain(partition).await;
            if place % PARTITIONS_PER_TURN == 0 {
                millrace_rt::yield_now().await;
            }
        }
    }

    async fn retain(&self, partition: &PartitionRef) {
        if partition.borrow().is_removed() {
            return;
        }
        // A segment that ended where the log already began is gone whatever the topic keeps.
        let start = partition.borrow().ends.log_start_offset;
        if partition.borrow().first_staying(start) > partition.borrow().ends.sealed_start.first_segment {
            self.starts.start_log_at(partition, start, ActiveSegment::Stays).await;
        }
        let rules = {
            let config = &partition.borrow().config;
            if !config.delete {
                return;
            }
            RetentionRules { retention_ms: config.retention_ms, retention_bytes: config.retention_bytes }
        };
        if rules.retention_ms < 0 && rules.retention_bytes < 0 {
            return;
        }
        let now = TimestampMs(millrace_rt::wall_now_ms());
        let Some(expired) = expired(&partition.borrow(), &rules, now, self.opened) else { return };
        let active = if expired.rolls { ActiveSegment::Rolls } else { ActiveSegment::Stays };
        tracing::info!(
            topic = %partition.borrow().topic, partition = %partition.borrow().key.partition,
            segments = expired.segments, start = %expired.start, "segments are deleted by retention"
        );
        self.starts.start_log_at(partition, expired.start, active).await;
    }
}

fn expired(
    partition: &Partition,
    rules: &RetentionRules,
    now: TimestampMs,
    opened: TimestampMs,
) -> Option<Expired> {
    let ends = partition.segments.iter().skip(1).map(Some).chain([None]);
    let facts: Vec<SegmentFacts> = partition
        .segments
        .iter()
        .zip(ends)
        .map(|(segment, next)| SegmentFacts {
            base: segment.base,
            size: segment.length(),
            max_timestamp: segment.latest_time(next, now, opened),
        })
        .collect();
    let log = RetainedLog {
        segments: &facts,
        high_watermark: partition.ends.high_watermark,
        log_end_offset: partition.ends.log_end_offset,
    };
    log.expired(rules, now)
}
