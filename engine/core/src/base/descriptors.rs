//! How the descriptors of a process are shared among segment files, connections and the rest.

/// What the process itself opens, whatever its shards: standard streams, metadata log, side thread,
/// files on their way.
const PROCESS_DESCRIPTORS: u64 = 64;
/// What a shard opens besides segments and connections: rings, eventfds, journal slots,
/// a checkpoint and an index on their way.
const SHARD_DESCRIPTORS: u64 = 24;
/// Of what is left segment files take one part in so many, connections the others' rest.
const SEGMENT_FILES_PART: u64 = 2;
/// Each shard writes and reads a few segments at once; below this they would wait for each other.
const SHARD_SEGMENT_FILES_MIN: u64 = 16;

/// Most descriptors of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorShares {
    /// Segment files that each shard keeps open.
    pub segment_files_per_shard: u64,
    /// Connections of the process.
    pub connections: u64,
}

impl DescriptorShares {
    /// Shares out `limit` descriptors; `open_files` is what the configuration grants to segment files,
    /// if it says so.
    pub fn of(limit: u64, shards: u16, open_files: Option<u64>) -> DescriptorShares {
        let shards = u64::from(shards);
        let free = limit.saturating_sub(PROCESS_DESCRIPTORS + SHARD_DESCRIPTORS * shards);
        let files = open_files.unwrap_or(free / SEGMENT_FILES_PART).min(free);
        let per_shard = (files / shards.max(1)).max(SHARD_SEGMENT_FILES_MIN);
        DescriptorShares {
            segment_files_per_shard: per_shard,
            connections: free.saturating_sub(per_shard.saturating_mul(shards)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_shared_out() {
        for (limit, shards, open_files, expected) in [
            (512, 1, None, (212, 212)),
            (1024, 3, None, (148, 444)),
            (1_048_576, 4, None, (131_052, 524_208)),
            (1024, 1, Some(100), (100, 836)),
            // More than there are: connections get what is left.
            (1024, 1, Some(5000), (936, 0)),
            (1024, 2, Some(8), (16, 880)),
            (256, 16, None, (16, 0)),
        ] {
            let shares = DescriptorShares::of(limit, shards, open_files);
            let found = (shares.segment_files_per_shard, shares.connections);
            assert_eq!(found, expected, "{limit} descriptors, {shards} shards, {open_files:?}");
        }
        assert_eq!(DescriptorShares::of(u64::MAX, 3, Some(60)).segment_files_per_shard, 20);
    }
}
