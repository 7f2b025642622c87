//! The groups of a shard: in lists, and in figures.

use std::rc::Rc;

use millrace_core::base::ids::PartitionKey;
use millrace_core::coord::{GroupFilter, ListedGroup};

use crate::groups::coordinators::GroupStats;
use crate::groups::host::GroupHost;
use crate::mesh::group_calls::ListedPartitions;

/// Groups looked at between two turns of the other tasks.
const GROUPS_A_TURN: usize = 64;

impl GroupHost {
    /// Other tasks run in between; dropping the future leaves nothing behind.
    pub(crate) async fn stats(&self) -> GroupStats {
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

    /// Other tasks run between two partitions.
    pub(crate) async fn list(
        self: &Rc<Self>,
        keys: Vec<PartitionKey>,
        filter: &GroupFilter,
    ) -> ListedPartitions {
        let mut partitions = Vec::with_capacity(keys.len());
        for key in keys {
            partitions.push(self.host_groups(key).map(|()| self.groups_of(key, filter)));
            millrace_rt::yield_now().await;
        }
        partitions
    }

    fn groups_of(&self, key: PartitionKey, filter: &GroupFilter) -> Vec<ListedGroup> {
        let mut listed = Vec::new();
        self.groups.with_serving(key, |serving| listed = serving.coordinator.list(filter));
        listed
    }

    /// What always holds between two turns of tasks.
    pub(crate) fn check_whole(&self) {
        self.groups.check_whole();
    }
}
