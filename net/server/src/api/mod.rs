//! One file per API: decode, ask a shard, encode.

pub(crate) mod api_versions;
mod brokers;
pub(crate) mod call;
mod create_topics;
pub(crate) mod creation;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod fetch;
mod find_coordinator;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
pub(crate) mod table;
mod topics;
mod truncation;
