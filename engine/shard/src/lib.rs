//! What one core owns: partitions, their appends, commits, flushes and fetches; where decisions meet I/O.

mod api;
mod append;
mod asks;
mod bulk;
mod bulking;
mod cache;
mod checkpoint;
mod cleaner;
mod cleaning;
mod close;
mod commit;
mod counters;
mod deleting;
mod disk_classes;
mod doomed;
mod egress;
mod engine;
mod extents;
mod fetch;
mod files;
mod flush;
mod flusher;
mod granted;
mod indexes;
mod indexing;
mod job;
mod layout;
mod loading;
mod log_start;
mod manifest;
mod measuring;
mod message;
mod metadata;
mod metadata_log;
mod offsets;
mod open;
mod open_files;
mod owners;
mod partition;
mod prepare;
mod read;
mod rebuild;
mod restore;
mod retaining;
mod retention;
mod seal;
mod segment;
mod serve;
mod shard;
mod space;
mod stats;
pub mod storage;
mod storing;
mod tail;
mod tail_memory;
mod ticket;
mod times;
mod unreleased;
mod upkeep;
mod watch;

pub use api::{
    AppendError, AppendPartition, Appended, DeleteRecordsAsk, DeleteRecordsError, EngineSettings, EpochAsk,
    EpochEnd, FetchError, FetchPartition, FetchQuery, Fetched, FetchedPartition, FoundOffset, Isolation,
    OffsetAsk, OffsetQuery, OpenError, Planted, StorageError, ValidateOnly,
};
pub use cache::ReadCacheStats;
pub use disk_classes::DiskClassStats;
pub use egress::{EgressBudget, EgressCharge, EgressStats};
pub use engine::Engine;
pub use layout::Generation;
pub use manifest::{Manifest, Stopped};
pub use open_files::OpenFileStats;
pub use shard::Shard;
pub use stats::{JournalStats, PartitionStats, ShardStats};
pub use ticket::AppendTicket;
pub use times::{AppendTimes, FetchTimes};
