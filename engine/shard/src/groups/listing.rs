//! All groups of this node: each shard is asked once for those of its partitions of the offsets topic.

use std::rc::Rc;

use millrace_core::base::ids::PartitionKey;
use millrace_core::coord::{GroupError, GroupFilter, ListedGroup};
use millrace_core::meta::OFFSETS_TOPIC;

use crate::group_ask::ListedPartitions;
use crate::message::{Answer, Ask};
use crate::shard::{Core, Shard};

impl Shard {
    /// The groups that this node coordinates, and the first error of those that could not say.
    pub async fn list_groups(&self, filter: &GroupFilter) -> (Vec<ListedGroup>, Option<GroupError>) {
        let image = self.image();
        let keys: Vec<PartitionKey> =
            image.topic(OFFSETS_TOPIC).into_iter().flat_map(|topic| topic.keys()).collect();
        let mut partitions: ListedPartitions = keys.iter().map(|_| Err(GroupError::NotCoordinator)).collect();
        let mut asked = Vec::new();
        for (owner, places) in self.by_owner(keys.iter().copied()) {
            let owned = places.iter().map(|&place| keys[place]).collect();
            let reply = self.admit(owner, Ask::ListGroups(owned, filter.clone())).await;
            asked.push((places, reply));
        }
        for (places, reply) in asked {
            let Answer::ListedGroups(listed) = reply.await else {
                unreachable!("lists of groups are answered with lists of groups")
            };
            for (place, listed) in places.into_iter().zip(listed) {
                partitions[place] = listed;
            }
        }
        let (mut groups, mut error) = (Vec::new(), None);
        for listed in partitions {
            match listed {
                Ok(listed) => groups.extend(listed),
                Err(refused) => error = error.or(Some(refused)),
            }
        }
        (groups, error)
    }
}

impl Core {
    /// Other tasks run between two partitions.
    pub(crate) async fn list_groups(
        self: &Rc<Core>,
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
}
