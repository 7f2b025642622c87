//! Lives of groups in which members of both protocols meet.

mod client;
mod life;
