//! Limits that several subjects share, each with its reason; limits of one subject stand beside that subject.

/// Files are read and written in whole blocks of this size:
/// the sector multiple that direct I/O accepts everywhere.
pub const BLOCK_BYTES: usize = 4096;

/// A segment's positions and relative offsets are signed 32-bit in Kafka's own files and tools.
pub const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;

/// Size of the fixed part of a record batch of magic 2.
pub const BATCH_HEADER_BYTES: usize = 61;

/// Kafka remembers five batches per producer, the most a client may have in flight when it is idempotent.
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// One entry of a sparse index stands for about this many bytes of log: a lookup then reads at most that much
/// to find its batch, and 1 GiB of log costs 16,384 entries.
pub const INDEX_INTERVAL_BYTES: u64 = 64 * 1024;

const _: () = assert!(BLOCK_BYTES.is_power_of_two());
const _: () = assert!(INDEX_INTERVAL_BYTES.is_multiple_of(BLOCK_BYTES as u64));
const _: () = assert!(BATCH_HEADER_BYTES < BLOCK_BYTES);
