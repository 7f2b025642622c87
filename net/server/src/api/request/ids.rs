//! Topic ids: new ones, and their form in messages.

use millrace_core::base::TopicId;
use millrace_wire::Uuid;

/// Returns a random id for a new topic. As in Kafka it is not reserved, and does not begin with a dash, which
/// tools would take for an option.
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

pub(crate) fn topic_id(id: Uuid) -> TopicId {
    TopicId(id.0)
}

pub(crate) fn uuid(id: TopicId) -> Uuid {
    Uuid(id.0)
}
