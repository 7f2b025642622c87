//! Producers that are forgotten: those idle for long, and where memory is short those idle for longest.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::ids::{ShardIndex, TimestampMs};
use millrace_core::log::ProducerWindows;

use crate::image::CurrentImage;
use crate::partition::producers::ProducerBound;
use crate::partition::table::Table;

/// Nobody looks for expired producers more often, however soon they expire.
const INTERVAL_LEAST: Duration = Duration::from_secs(1);
/// Who appended nothing for as long is idle: longer than clients' `delivery.timeout.ms` is by default, so
/// that nothing comes again that was sent before.
const FORGETTABLE_AFTER: Duration = Duration::from_secs(150);
/// Partitions looked after before other tasks run.
const PARTITIONS_PER_TURN: usize = 64;

/// Forgets producers of one shard's partitions. Driven by two tasks.
pub(crate) struct ProducerUpkeep {
    pub(crate) shard: ShardIndex,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) image: Rc<CurrentImage>,
    pub(crate) table: Rc<Table>,
    pub(crate) producers: Rc<ProducerBound>,
}

impl ProducerUpkeep {
    /// Forgets producers that appended nothing for `producer.id.expiration.ms`, as it is when they are looked
    /// for: every `producer.id.expiration.check.interval.ms`, or sooner where they expire sooner.
    /// Runs until the shard ends.
    pub(crate) async fn expire_idle(self: Rc<Self>) {
        loop {
            let interval = self.config.producer_id_expiration_check_interval();
            millrace_rt::sleep(interval.min(self.producer_expiration().max(INTERVAL_LEAST))).await;
            let expiration_ms = i64::try_from(self.producer_expiration().as_millis()).unwrap_or(i64::MAX);
            let now = TimestampMs(millrace_rt::wall_now_ms());
            let expired = self.forget_producers(now, expiration_ms).await;
            if expired > 0 {
                tracing::debug!(shard = %self.shard, expired, "idle producers were forgotten");
            }
        }
    }

    /// Forgets the producers that have been idle for longest where more came than there is memory for.
    /// Runs until the shard ends.
    pub(crate) async fn bound(self: Rc<Self>) {
        loop {
            let fresh = self.producers.fresh();
            let mut last_appends = Vec::new();
            self.see_producers(|producers| last_appends.extend(producers.last_appends())).await;
            let known = last_appends.len();
            let mut forgotten = 0;
            if let Some(last) = self.producers.excess(known).checked_sub(1) {
                let (_, newest, _) = last_appends.select_nth_unstable(last);
                let idle_ms = i64::try_from(FORGETTABLE_AFTER.as_millis()).unwrap_or(i64::MAX);
                let cutoff = (*newest).min(TimestampMs(millrace_rt::wall_now_ms() - idle_ms));
                forgotten = self.forget_producers(cutoff, 0).await;
            }
            self.producers.looked(known.saturating_sub(forgotten), forgotten, fresh);
            if forgotten > 0 {
                tracing::warn!(shard = %self.shard, known, forgotten, "idle producers were forgotten for want of memory");
            }
            millrace_rt::sleep(INTERVAL_LEAST).await;
            self.producers.until_crowded().await;
        }
    }

    /// Forgets producers that appended nothing in the last `idle_ms` before `now`; returns how many.
    async fn forget_producers(&self, now: TimestampMs, idle_ms: i64) -> usize {
        let mut forgotten = 0;
        self.see_producers(|producers| forgotten += producers.expire(now, idle_ms)).await;
        forgotten
    }

    /// Goes through the producers of every partition, with turns of other tasks between.
    async fn see_producers(&self, mut see: impl FnMut(&mut ProducerWindows)) {
        for (place, partition) in self.table.all().iter().enumerate() {
            see(&mut partition.borrow_mut().history.producers);
            if place % PARTITIONS_PER_TURN == 0 {
                millrace_rt::yield_now().await;
            }
        }
    }

    fn producer_expiration(&self) -> Duration {
        let image = self.image.get();
        image.config_layers(&self.config).producer_id_expiration()
    }
}
