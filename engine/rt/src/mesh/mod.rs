//! Requests between shards: bounded lanes per pair, replies that never wait.

mod end;
mod lane;
mod replies;

pub use end::{Incoming, Mesh, MeshEnd, Reply, Respond, mesh};
