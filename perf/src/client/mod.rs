//! What loads send and read, cheap enough to saturate a broker from beside it;
//! connections and frames are `net/client`'s.

mod batch;
mod commits;
mod fetch;
mod members;
mod metadata;
mod offsets;
mod produce;
mod topics;
mod walk;

pub(crate) use batch::{encode_batch, pack_batch, same_records, values};
pub(crate) use commits::{
    await_coordinators, check_committed, commit_frame, committed_frame, partition_of_group, read_committed,
    still_loading,
};
pub(crate) use fetch::{FetchPlace, fetch, fetch_frame, read_fetched};
pub(crate) use members::{
    Membership, check_synced, heartbeat_frame, join_frame, read_heartbeat, read_joined, sync_frame,
};
pub(crate) use metadata::leaders;
pub(crate) use millrace_client::{
    Acks, Arrival, Connection, Dialect, Frame, Inbox, NewTopic, START_BYTES, answers_versions, introduce,
    resolve,
};
pub(crate) use offsets::{log_ends, log_ranges};
pub(crate) use produce::{Pipeline, Produce, check_produced, encode_produce, produce_frame};
pub(crate) use topics::{create_topics, delete_topics};
pub(crate) use walk::next_offset;
