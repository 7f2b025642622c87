//! One file per API in folders by subject: decode, ask a shard, encode. `table.rs` names them all.

mod cluster;
mod configs;
mod errors;
mod groups;
mod offsets;
mod quotas;
mod records;
mod replicas;
pub(crate) mod request;
pub(crate) mod table;
mod telemetry;
mod topics;

pub use table::{ServedApi, served_apis};
