//! What tools ask of partitions and of the metadata log: sizes, producers, how far the log is.

use std::rc::Rc;

use millrace_core::base::ids::{PartitionKey, ShardIndex};
use millrace_core::log::producers::ProducerSnapshot;

use crate::api::MetadataQuorum;
use crate::message::{Answer, Ask};
use crate::partition::Partition;
use crate::shard::{Core, Shard};

const METADATA_SHARD: ShardIndex = ShardIndex(0);

/// Partitions looked at between two turns of the other tasks.
const PARTITIONS_A_TURN: usize = 256;

impl Shard {
    /// Bytes of each log, written or not, in the order of `keys`; nothing of a partition that this node does not host.
    /// Dropping the future leaves nothing behind.
    pub async fn log_sizes(&self, keys: &[PartitionKey]) -> Vec<Option<u64>> {
        let mut sizes = vec![None; keys.len()];
        for (owner, places) in self.by_owner(keys.iter().copied()) {
            let owned: Vec<PartitionKey> = places.iter().map(|&place| keys[place]).collect();
            let answers = if owner == self.index() {
                self.core().log_sizes(&owned).await
            } else {
                match self.ask(owner, Ask::LogSizes(owned)).await {
                    Answer::LogSizes(answers) => answers,
                    _ => unreachable!("sizes are answered with sizes"),
                }
            };
            for (place, answer) in places.into_iter().zip(answers) {
                sizes[place] = answer;
            }
        }
        sizes
    }

    /// The producers that each log remembers, by their ids, in the order of `keys`; nothing of a partition that this node
    /// does not host. Dropping the future leaves nothing behind.
    pub async fn producers(&self, keys: &[PartitionKey]) -> Vec<Option<Vec<ProducerSnapshot>>> {
        let mut found = vec![None; keys.len()];
        for (owner, places) in self.by_owner(keys.iter().copied()) {
            let owned: Vec<PartitionKey> = places.iter().map(|&place| keys[place]).collect();
            let answers = if owner == self.index() {
                self.core().producers(&owned).await
            } else {
                match self.ask(owner, Ask::Producers(owned)).await {
                    Answer::Producers(answers) => answers,
                    _ => unreachable!("producers are answered with producers"),
                }
            };
            for (place, answer) in places.into_iter().zip(answers) {
                found[place] = answer;
            }
        }
        found
    }

    /// The metadata log, which this node leads alone. Dropping the future leaves nothing behind.
    pub async fn metadata_quorum(&self) -> MetadataQuorum {
        if self.index() == METADATA_SHARD {
            return self.core().metadata_quorum();
        }
        match self.ask(METADATA_SHARD, Ask::Quorum).await {
            Answer::Quorum(quorum) => quorum,
            _ => unreachable!("the quorum is answered with the quorum"),
        }
    }
}

impl Core {
    pub(crate) async fn log_sizes(self: &Rc<Core>, keys: &[PartitionKey]) -> Vec<Option<u64>> {
        self.look_at_each(keys, Partition::size_bytes).await
    }

    pub(crate) async fn producers(
        self: &Rc<Core>,
        keys: &[PartitionKey],
    ) -> Vec<Option<Vec<ProducerSnapshot>>> {
        self.look_at_each(keys, |partition| partition.producers.snapshot()).await
    }

    async fn look_at_each<T>(&self, keys: &[PartitionKey], look: impl Fn(&Partition) -> T) -> Vec<Option<T>> {
        let mut seen = Vec::with_capacity(keys.len());
        for some in keys.chunks(PARTITIONS_A_TURN) {
            seen.extend(some.iter().map(|key| self.table.get(*key).map(|it| look(&it.borrow()))));
            millrace_rt::yield_now().await;
        }
        seen
    }
}
