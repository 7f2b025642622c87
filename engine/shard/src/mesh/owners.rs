//! Splits a request by the shards that own its partitions.

use millrace_core::base::ids::{PartitionKey, ShardIndex};

/// Which places of a list each shard owns; in the order in which the owners first appear.
pub(crate) fn group_by_owner(
    keys: impl Iterator<Item = PartitionKey>,
    shards: u16,
) -> Vec<(ShardIndex, Vec<usize>)> {
    let mut groups: Vec<(ShardIndex, Vec<usize>)> = Vec::new();
    for (place, key) in keys.enumerate() {
        let owner = key.owner(shards);
        match groups.iter_mut().find(|(shard, _)| *shard == owner) {
            Some((_, places)) => places.push(place),
            None => groups.push((owner, vec![place])),
        }
    }
    groups
}
