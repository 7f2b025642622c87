//! What the machine itself can do, measured beside the broker and at its pace.

mod disk_write;
mod dsync;
mod memory;
mod pace;
mod ping_pong;

pub(crate) use disk_write::disk_write_rate;
pub(crate) use dsync::DsyncProbe;
pub(crate) use pace::Pace;
pub(crate) use ping_pong::PingPong;
