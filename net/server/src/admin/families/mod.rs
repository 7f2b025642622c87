//! The families of metrics, by subject.

pub(crate) mod client_metrics;
pub(crate) mod compaction;
pub(crate) mod disk;
pub(crate) mod files;
pub(crate) mod groups;
pub(crate) mod kafka;
pub(crate) mod own;
pub(crate) mod quotas;
pub(crate) mod readers;
pub(crate) mod timings;
