//! What tools ask of partitions and of the metadata log: sizes, producers, how far the log is.

use std::rc::Rc;

use millrace_core::base::ids::{PartitionKey, ShardIndex};
use millrace_core::log::producers::ProducerSnapshot;

use crate::api::MetadataQuorum;
use crate::gathering::over_the_mesh;
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
        let own = async |core: &Rc<Core>, keys: Vec<PartitionKey>| core.log_sizes(&keys).await;
        self.gather(keys, |key| *key, own, over_the_mesh!(LogSizes, LogSizes)).await
    }

    /// The producers that each log remembers, by their ids, in the order of `keys`; nothing of a partition that this node
    /// does not host. Dropping the future leaves nothing behind.
    pub async fn producers(&self, keys: &[PartitionKey]) -> Vec<Option<Vec<ProducerSnapshot>>> {
        let own = async |core: &Rc<Core>, keys: Vec<PartitionKey>| core.producers(&keys).await;
        self.gather(keys, |key| *key, own, over_the_mesh!(Producers, Producers)).await
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
