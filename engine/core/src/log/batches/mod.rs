//! Batches and their records: read, checked, built and compressed.

pub mod batch;
pub mod builder;
pub mod compression;
pub mod fault;
pub mod recompress;
pub mod records;
pub mod validate;
pub(super) mod walk;
