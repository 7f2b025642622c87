//! What a shard does every now and then, off every path that a client waits for.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::ids::TimestampMs;

use crate::shard::Core;

/// Nobody looks for expired producers more often, however soon they expire.
const INTERVAL_LEAST: Duration = Duration::from_secs(1);
/// Partitions looked after before other tasks run.
const PARTITIONS_PER_TURN: usize = 64;

impl Core {
    /// Forgets producers that appended nothing for `producer.id.expiration.ms`, as it is when they are looked for: every
    /// `producer.id.expiration.check.interval.ms`, or sooner where they expire sooner. Runs until the shard ends.
    pub(crate) async fn look_after_producers(self: Rc<Core>) {
        loop {
            let interval = self.config.producer_id_expiration_check_interval();
            millrace_rt::sleep(interval.min(self.producer_expiration().max(INTERVAL_LEAST))).await;
            let expiration_ms = i64::try_from(self.producer_expiration().as_millis()).unwrap_or(i64::MAX);
            let now = TimestampMs(millrace_rt::wall_now_ms());
            let mut expired = 0;
            for (place, partition) in self.table.all().iter().enumerate() {
                expired += partition.borrow_mut().producers.expire(now, expiration_ms);
                if place % PARTITIONS_PER_TURN == 0 {
                    millrace_rt::yield_now().await;
                }
            }
            if expired > 0 {
                tracing::debug!(shard = %self.index, expired, "idle producers were forgotten");
            }
        }
    }

    fn producer_expiration(&self) -> Duration {
        let image = Arc::clone(&self.image.borrow());
        image.config_layers(&self.config).producer_id_expiration()
    }
}
