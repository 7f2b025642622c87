//! One file per API: decode, ask a shard, encode.

mod alter_configs;
mod alterations;
pub(crate) mod api_versions;
mod brokers;
pub(crate) mod call;
mod config_kind;
mod create_topics;
pub(crate) mod creation;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod fetch;
mod find_coordinator;
mod incremental_alter_configs;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
pub(crate) mod table;
mod topics;
mod truncation;
