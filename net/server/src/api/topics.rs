//! Topics as several APIs see them: new ids, internal names, authorized operations.

use millrace_core::base::TopicId;

/// "Not asked for" in responses that carry authorized operations.
pub(crate) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// Without an authorizer everybody may do to a topic what can be done to one: read, write, create, delete, alter,
/// describe, describe configs and alter configs, as bits 3 to 8, 10 and 11 (`AclOperation`).
pub(crate) const TOPIC_OPERATIONS: i32 = 3576;

/// The same for the cluster: create, alter, describe, cluster action, describe and alter configs, idempotent write.
pub(crate) const CLUSTER_OPERATIONS: i32 = 8096;

/// A random id for a new topic, as Kafka draws them: neither reserved nor beginning with a dash, which tools would
/// take for an option.
pub(crate) fn new_topic_id() -> TopicId {
    loop {
        let id = TopicId(random_uuid().to_be_bytes());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

/// Version 4 and variant 1 of RFC 4122, as `UUID.randomUUID`.
pub(crate) fn random_uuid() -> u128 {
    let mut bytes = [0; 16];
    millrace_rt::fill_random(&mut bytes);
    let number = (u128::from_be_bytes(bytes) & !(0xf << 76)) | (4 << 76);
    (number & !(3 << 62)) | (2 << 62)
}
