//! The cluster: served versions, brokers, the metadata quorum and features.

pub(crate) mod api_versions;
pub(crate) mod brokers;
pub(crate) mod describe_cluster;
pub(crate) mod describe_quorum;
pub(crate) mod unregister_broker;
pub(crate) mod update_features;
