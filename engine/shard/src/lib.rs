//! What one core owns: partitions, their appends, commits, flushes and fetches; where decisions meet I/O.

mod api;
mod append;
mod checkpoint;
mod cleaning;
mod close;
mod commit;
mod engine;
mod fetch;
mod files;
mod flush;
mod layout;
mod manifest;
mod message;
mod metadata;
mod offsets;
mod open;
mod partition;
mod prepare;
mod read;
mod restore;
mod segment;
mod serve;
mod shard;
mod tail;
mod ticket;
mod upkeep;
mod watch;

pub use api::{
    AppendError, AppendPartition, Appended, EngineSettings, EpochAsk, EpochEnd, FetchError, FetchPartition,
    FetchQuery, Fetched, FetchedPartition, FoundOffset, Isolation, OffsetAsk, OffsetQuery, OpenError,
    Planted, StorageError, ValidateOnly,
};
pub use engine::Engine;
pub use shard::Shard;
pub use ticket::AppendTicket;
