//! Coordinators of consumer groups: each on the shard that owns its partition of the offsets topic.

pub(crate) mod calls;
pub(crate) mod coordinators;
pub(crate) mod host;
mod loading;
mod planted;
mod requests;
mod topics;
mod writing;
