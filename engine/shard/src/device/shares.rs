//! Who gets how much of a shard's memory.

/// The parts that a shard's memory is divided into.
pub const PARTS: u64 = 32;

/// What was appended and is not yet, or was lately, written to segments.
pub(crate) const TAIL_PARTS: u64 = 10;
/// What was read from segments.
pub(crate) const CACHE_PARTS: u64 = 4;
/// Responses that their readers have not yet taken.
pub(crate) const EGRESS_PARTS: u64 = 2;
/// Groups: members with what they offer and are assigned, and committed offsets.
pub(crate) const GROUP_PARTS: u64 = 4;
/// Places of readers that wait in the lists of partitions.
pub(crate) const WATCH_PARTS: u64 = 1;
/// Producers with their last batches.
pub(crate) const PRODUCER_PARTS: u64 = 1;
/// What is left for the server: requests while they are received and handled.
pub const SERVER_PARTS: u64 = 8;
/// Blocks that nobody uses.
const IDLE_PARTS: u64 = 2;

const _: () = assert!(
    TAIL_PARTS
        + CACHE_PARTS
        + EGRESS_PARTS
        + GROUP_PARTS
        + WATCH_PARTS
        + PRODUCER_PARTS
        + SERVER_PARTS
        + IDLE_PARTS
        <= PARTS,
    "nobody has more than there is"
);

/// A shard whose memory is smaller still has groups: some thousand members, or a few with the longest
/// metadata that a request may bring.
pub(crate) const GROUP_BYTES_MIN: usize = 4 * 1024 * 1024;

pub(crate) fn share(shard_memory: u64, parts: u64) -> usize {
    usize::try_from(shard_memory / PARTS * parts).unwrap_or(usize::MAX)
}
