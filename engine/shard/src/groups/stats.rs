//! What a shard's coordinators count, and each of their groups in figures.

use millrace_core::base::ids::PartitionKey;

use crate::coordinators::GroupStats;
use crate::shard::Core;

/// Groups looked at between two turns of the other tasks.
const GROUPS_A_TURN: usize = 64;

impl Core {
    /// Other tasks run in between; dropping the future leaves nothing behind.
    pub(crate) async fn group_stats(&self) -> GroupStats {
        let mut stats = self.groups.counts();
        let keys: Vec<PartitionKey> = self.groups.hosted.borrow().keys().copied().collect();
        for key in keys {
            let mut ids = Vec::new();
            self.groups.with_serving(key, |serving| ids = serving.coordinator.group_ids());
            for some in ids.chunks(GROUPS_A_TURN) {
                self.groups.with_serving(key, |serving| {
                    let figures = some.iter().filter_map(|id| serving.coordinator.figures(id.as_str()));
                    stats.groups.extend(figures);
                });
                millrace_rt::yield_now().await;
            }
        }
        stats
    }
}
