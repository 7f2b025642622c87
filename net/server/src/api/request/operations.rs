//! The operations that clients may do on resources. Without an authorizer these are all operations.

/// "Not asked for" in responses that carry authorized operations.
pub(crate) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// The operations on a topic: read, write, create, delete, alter, describe, describe configs and alter
/// configs, as bits 3 to 8, 10 and 11 (`AclOperation`).
pub(crate) const TOPIC_OPERATIONS: i32 = 3576;

/// The same for the cluster: create, alter, describe, cluster action, describe and alter configs,
/// idempotent write.
pub(crate) const CLUSTER_OPERATIONS: i32 = 8096;

/// Without an authorizer: read, delete, describe, describe configs and alter configs,
/// as bits (`AclOperation`).
pub(crate) const GROUP_OPERATIONS: i32 = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);
