//! What a shard does every now and then, off every path that a client waits for.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::ids::TimestampMs;

use crate::shard::Core;

/// As often as Kafka looks for expired producers (`producer.id.expiration.check.interval.ms`).
const INTERVAL: Duration = Duration::from_secs(600);
/// Partitions looked after before other tasks run.
const PARTITIONS_PER_TURN: usize = 64;

impl Core {
    /// Forgets producers that appended nothing for `producer.id.expiration.ms`. Runs until the shard ends.
    pub(crate) async fn look_after_producers(self: Rc<Core>) {
        loop {
            let image = Arc::clone(&self.image.borrow());
            let expiration = image.config_layers(&self.config).producer_id_expiration();
            let expiration_ms = i64::try_from(expiration.as_millis()).unwrap_or(i64::MAX);
            millrace_rt::sleep(INTERVAL.min(expiration.max(Duration::from_secs(1)))).await;
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
}
