//! Types of the service surface: what a caller asks of a shard, and what it gets.

mod append;
mod engine;
mod fetch;
mod groups;
mod metadata;
mod offsets;
mod times;

pub(crate) use append::Outcome;
pub use append::{AppendError, AppendPartition, Appended};
pub use engine::{EngineSettings, OpenError, Planted};
pub use fetch::{FetchError, FetchPartition, FetchQuery, Fetched, FetchedPartition, Isolation};
pub use groups::{FetchOffsets, OffsetSelection, SelectedOffsets};
pub use metadata::{MetadataQuorum, StorageError, ValidateOnly};
pub use offsets::{
    DeleteRecordsAsk, DeleteRecordsError, EpochAsk, EpochEnd, FoundOffset, OffsetAsk, OffsetQuery,
};
pub(crate) use times::Milestones;
pub use times::{AppendTimes, FetchTimes};
