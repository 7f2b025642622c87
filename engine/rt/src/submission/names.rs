//! Names of what lives in the simulated world.

/// One shard of one boot of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardKey {
    pub(crate) node: u32,
    /// Rises with each boot, so that what an earlier boot left behind is recognised.
    pub(crate) boot: u32,
    pub(crate) shard: u16,
}

/// A file of the simulated disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InodeId(pub(crate) u64);

/// A socket of the simulated network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketId(pub(crate) u64);
