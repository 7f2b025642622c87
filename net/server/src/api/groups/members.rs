//! Members of groups as several APIs see them: new ids, and where a client is.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_core::coord::{GroupId, InstanceId, MemberId};
use millrace_core::meta::{Feature, MetadataImage};

use rustc_hash::FxHashSet;

use crate::api::request::ids::{new_topic_id, random_uuid};
use crate::conn::connection::Connection;

/// The first level of the feature with groups of the consumer protocol.
const FIRST_WITH_CONSUMER_PROTOCOL: i16 = 1;

/// Returns whether the cluster uses groups of the consumer protocol.
pub(crate) fn has_consumer_protocol(image: &MetadataImage) -> bool {
    image.features().level(Feature::GroupVersion) >= FIRST_WITH_CONSUMER_PROTOCOL
}

pub(crate) fn instance(id: Option<&str>) -> Option<InstanceId> {
    id.map(InstanceId::from)
}

/// Returns each group that a request names once. A name has a few bytes, but its group may be large.
pub(crate) fn once(names: &[Cow<'_, str>]) -> Vec<GroupId> {
    let mut seen = FxHashSet::default();
    names.iter().filter(|name| seen.insert(&***name)).map(|name| (&**name).into()).collect()
}

/// Returns an id for a new member: its instance or its client, and a random UUID.
pub(crate) fn new_member_id(instance: Option<&InstanceId>, client_id: &str) -> MemberId {
    let prefix = instance.map_or(client_id, InstanceId::as_str);
    let number = random_uuid();
    let (a, b, c) = (number >> 96, (number >> 80) & 0xffff, (number >> 64) & 0xffff);
    let (d, e) = ((number >> 48) & 0xffff, number & 0xffff_ffff_ffff);
    MemberId::new(&format!("{prefix}-{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}"))
}

/// Returns an id for a new member of a group of the consumer protocol: a random UUID.
pub(crate) fn new_consumer_id() -> MemberId {
    MemberId::new(&new_topic_id().to_string())
}

/// Returns the client's address in the form of Java.
pub(crate) fn client_host(connection: &Connection) -> Arc<str> {
    connection.peer().map_or_else(|| "/".into(), |peer| format!("/{}", peer.ip()).into())
}
