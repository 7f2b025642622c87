//! Members of a consumer group: how they come, stay, are checked and go.

pub(super) mod admission;
pub(in crate::coord) mod checks;
pub(super) mod fetching;
pub(super) mod heartbeat;
pub(super) mod leave;
pub(super) mod makeup;
pub(super) mod takeover;
