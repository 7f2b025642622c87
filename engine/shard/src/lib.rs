//! What one core owns: partitions, their appends, commits, flushes and fetches; where decisions meet I/O.

mod api;
mod append;
mod checkpoint;
mod commit;
mod compaction;
mod compose;
mod counters;
mod device;
mod directory;
mod fetch;
mod files;
mod flush;
mod groups;
mod image;
mod mesh;
mod metadata;
mod partition;
mod recovery;
mod retention;
mod serve;
mod shard;
pub mod storage;

pub use api::{
    AppendError, AppendPartition, AppendTimes, Appended, DeleteRecordsAsk, DeleteRecordsError,
    EngineSettings, EpochAsk, EpochEnd, FetchError, FetchOffsets, FetchPartition, FetchQuery, FetchTimes,
    Fetched, FetchedPartition, FoundOffset, Isolation, MetadataQuorum, OffsetAsk, OffsetQuery,
    OffsetSelection, OpenError, Planted, SelectedOffsets, StorageError, ValidateOnly,
};
pub use commit::outcomes::AppendTicket;
pub use compaction::state::{
    CompactionBacklogStats, CompactionBytesStats, CompactionPassStats, CompactionStats,
};
pub use device::disk_classes::DiskClassStats;
pub use device::egress::{EgressBudget, EgressCharge, EgressStats};
pub use device::open_files::OpenFileStats;
pub use device::shares::{PARTS, SERVER_PARTS};
pub use device::turns::{Turn, Turns};
pub use directory::layout::Generation;
pub use directory::manifest::{Manifest, SlotShape, Stopped};
pub use files::read_cache::ReadCacheStats;
pub use groups::coordinators::GroupStats;
pub use recovery::engine::Engine;
pub use serve::stats::{
    AppendStats, DiskStats, FetchStats, JournalStats, MeshStats, PartitionStats, ProcessStats, SegmentStats,
    ShardStats, SpaceStats, TailStats,
};
pub use shard::Shard;
