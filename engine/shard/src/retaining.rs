//! Retention: looks at every partition now and then, and at one whose segment just ended at once.

use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ids::TimestampMs;
use millrace_core::log::segments::Segment as SegmentFacts;
use millrace_core::log::{Expired, RetainedLog, RetentionRules};
use millrace_rt::Moment;

use crate::log_start::ActiveSegment;
use crate::partition::{Partition, PartitionRef};
use crate::segment::Segment;
use crate::shard::Core;

/// Longer pauses would not fit the clock.
const PAUSE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// Partitions looked at before other tasks run.
const PARTITIONS_PER_TURN: usize = 64;

impl Core {
    /// Lets logs begin later as their topics' retention says. Runs until the shard ends.
    pub(crate) async fn retain_logs(self: Rc<Core>) {
        let interval = self.config.retention_check_interval().min(PAUSE_MAX);
        let mut due: Moment = millrace_rt::now() + interval.min(self.config.initial_task_delay());
        while !self.retention.stopping.get() {
            let rolled = self.retention.rolled.borrow_mut().pop_front();
            if let Some(partition) = rolled {
                self.retain(&partition).await;
                continue;
            }
            let now = millrace_rt::now();
            if now < due {
                millrace_rt::timeout(due - now, self.retention.look.wait()).await;
                continue;
            }
            self.retain_all().await;
            due = millrace_rt::now() + interval;
        }
        self.retention.stopped.set(true);
        self.retention.ended.notify_all();
    }

    async fn retain_all(self: &Rc<Core>) {
        for (place, partition) in self.table.all().iter().enumerate() {
            if self.retention.stopping.get() {
                return;
            }
            self.retain(partition).await;
            if place % PARTITIONS_PER_TURN == 0 {
                millrace_rt::yield_now().await;
            }
        }
    }

    async fn retain(self: &Rc<Core>, partition: &PartitionRef) {
        if partition.borrow().removed {
            return;
        }
        // A segment that ended where the log already began is gone whatever the topic keeps.
        let start = partition.borrow().log_start;
        if partition.borrow().first_staying(start) > partition.borrow().sealed_start.first_segment {
            self.start_log_at(partition, start, ActiveSegment::Stays).await;
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
        let Some(expired) = partition.borrow().expired(&rules, now, self.retention.opened) else { return };
        let active = if expired.rolls { ActiveSegment::Rolls } else { ActiveSegment::Stays };
        tracing::info!(
            topic = %partition.borrow().topic, partition = %partition.borrow().key.partition,
            segments = expired.segments, start = %expired.start, "segments are deleted by retention"
        );
        self.start_log_at(partition, expired.start, active).await;
    }
}

impl Partition {
    fn expired(&self, rules: &RetentionRules, now: TimestampMs, opened: TimestampMs) -> Option<Expired> {
        let ends = self.segments.iter().skip(1).map(Some).chain([None]);
        let facts: Vec<SegmentFacts> = self
            .segments
            .iter()
            .zip(ends)
            .map(|(segment, next)| SegmentFacts {
                base: segment.base,
                size: segment.length(),
                max_timestamp: latest_time(segment, next, now, opened),
            })
            .collect();
        let log =
            RetainedLog { segments: &facts, high_watermark: self.high_watermark, log_end: self.log_end };
        log.expired(rules, now)
    }
}

/// Its largest timestamp, or else, as Kafka goes by the file's last change, a moment that is surely not before that.
pub(crate) fn latest_time(
    segment: &Segment,
    next: Option<&Segment>,
    now: TimestampMs,
    opened: TimestampMs,
) -> TimestampMs {
    match next {
        _ if segment.max_timestamp.0 >= 0 => segment.max_timestamp,
        Some(next) => next.age.map_or(opened, |age| age.created),
        // Appended to in this run, with records that bear no time.
        None if segment.age.is_some() => now,
        None => opened,
    }
}
