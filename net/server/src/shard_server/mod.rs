//! What one shard holds of the server.

mod bounds;
mod connections;
mod creations;
mod report;
mod server;
mod upkeep;

pub(crate) use server::ShardServer;
