//! What a shard counts as it works: plain cells, read on demand.

use millrace_core::base::measure::{Counter, Histogram};

/// Since the shard opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) append: AppendCounters,
    pub(crate) journal: JournalCounters,
    pub(crate) segments: SegmentCounters,
    pub(crate) tails: TailCounters,
    pub(crate) fetch: FetchCounters,
    pub(crate) mesh: MeshCounters,
}

#[derive(Debug, Default)]
pub(crate) struct AppendCounters {
    pub(crate) bytes_in: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) appends_refused: Counter,
    /// Refused because too many wait already.
    pub(crate) appends_overdue: Counter,
    /// Refused because the disk's reserve was reached.
    pub(crate) appends_without_space: Counter,
    pub(crate) rolls: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct JournalCounters {
    /// Bytes of each sealed frame.
    pub(crate) frame_bytes: Histogram,
    /// Time of each write to the journal, in nanoseconds.
    pub(crate) commit_nanos: Histogram,
    pub(crate) journal_bytes: Counter,
    /// Times that appends found no room in ring or slots.
    pub(crate) journal_waits: Counter,
    pub(crate) slot_reuses: Counter,
    pub(crate) cleaning_nanos: Counter,
    pub(crate) tails_carried: Counter,
    pub(crate) tails_flushed: Counter,
    pub(crate) checkpoints: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct SegmentCounters {
    pub(crate) segment_writes: Counter,
    pub(crate) segment_bytes: Counter,
    pub(crate) full_disk_waits: Counter,
    /// Appends that went to their segment before the journal named them, together, and their bytes.
    pub(crate) extents: Counter,
    pub(crate) extent_bytes: Counter,
    /// Segments that logs begin behind, and their bytes.
    pub(crate) segments_deleted: Counter,
    pub(crate) segment_deleted_bytes: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct TailCounters {
    /// Times that appends found no room in the memory for tails.
    pub(crate) tail_waits: Counter,
    /// Tails that were written because memory was short.
    pub(crate) tail_pressure_flushes: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct FetchCounters {
    /// Fetches that wait for bytes just now.
    pub(crate) fetches_waiting: Counter,
    /// Fetches that left partitions which the device did not bring soon for the next.
    pub(crate) fetches_cut_short: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct MeshCounters {
    pub(crate) mesh_asks: Counter,
    /// Asks that found the lane full.
    pub(crate) mesh_waits: Counter,
}
