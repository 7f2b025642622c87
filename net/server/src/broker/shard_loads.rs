//! How many connections each shard has, and how many there may be.

use std::sync::atomic::{AtomicU32, Ordering};

use millrace_core::base::ShardIndex;

/// Shared by all shards.
pub(super) struct ShardLoads {
    /// The connections that each shard serves or was dealt.
    connections: Vec<AtomicU32>,
    /// The number of connections that there are descriptors for.
    connections_max: AtomicU32,
}

impl ShardLoads {
    pub(super) fn new(shards: u16) -> ShardLoads {
        ShardLoads {
            connections: (0..shards).map(|_| AtomicU32::new(0)).collect(),
            connections_max: AtomicU32::new(u32::MAX),
        }
    }

    pub(super) fn connections(&self) -> Vec<u32> {
        self.connections.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    pub(super) fn connections_max(&self) -> u32 {
        self.connections_max.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self, connections_max: u32) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
    }

    pub(super) fn opened(&self, shard: ShardIndex) {
        if let Some(count) = self.connections.get(usize::from(shard.0)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn closed(&self, shard: ShardIndex) {
        if let Some(count) = self.connections.get(usize::from(shard.0)) {
            let before = count.fetch_sub(1, Ordering::Relaxed);
            assert!(before > 0, "a connection closes once");
        }
    }

    /// Returns the shard with the fewest connections; `None` when all shards together have `connections_max`.
    pub(super) fn least_loaded(&self, connections_max: u32) -> Option<ShardIndex> {
        let counts = self.connections();
        if counts.iter().sum::<u32>() >= connections_max {
            return None;
        }
        counts.into_iter().zip(0u16..).min().map(|(_, shard)| ShardIndex(shard))
    }
}
