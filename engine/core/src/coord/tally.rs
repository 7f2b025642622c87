//! What a coordinator counts.

/// What happened since this was last asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupTally {
    /// Generations that got their assignments.
    pub rebalances: u64,
    /// Changes of what groups of the consumer protocol subscribe to: each begins a rebalance,
    /// as Kafka counts them.
    pub consumer_rebalances: u64,
    /// Offsets committed, each partition by itself.
    pub commits: u64,
    /// Offsets that expired, were deleted, or went with their topic.
    pub removals: u64,
    /// Requests that were refused because groups have all the memory that they may.
    pub refusals: u64,
}
