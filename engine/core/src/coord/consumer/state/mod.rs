//! A consumer group and what it is made of.

pub(super) mod changes;
pub(super) mod classic_members;
pub(super) mod group;
pub(super) mod held;
pub(super) mod member;
pub(super) mod pattern;
