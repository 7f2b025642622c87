//! A member as assignors see it.

use crate::coord::kip848::{Partitions, TopicView};

/// What an assignor is told of a member.
pub(in crate::coord::consumer) struct Subscriber<'a> {
    /// What members are ordered by where that matters: a static member keeps its place under another id.
    pub(in crate::coord::consumer) order: &'a str,
    /// That it subscribes to, in order of their ids.
    pub(in crate::coord::consumer) topics: Vec<TopicView>,
    /// What it was to own before.
    pub(in crate::coord::consumer) before: &'a Partitions,
}
