//! Replicas: their leaders, their places and their directories.

pub(crate) mod alter_partition_reassignments;
pub(crate) mod alter_replica_log_dirs;
pub(crate) mod describe_log_dirs;
pub(crate) mod elect_leaders;
pub(crate) mod list_partition_reassignments;
