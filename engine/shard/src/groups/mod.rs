//! Coordinators of consumer groups: each on the shard that owns its partition of the offsets topic.

mod host;
mod listing;
mod loading;
mod planted;
mod stats;
mod surface;
mod timers;
mod topics;
mod writing;
