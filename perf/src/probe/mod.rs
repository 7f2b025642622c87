//! What the machine itself can do, measured beside the broker and at its pace.

mod disk_read;
mod disk_write;
mod dsync;
mod loopback;
mod memory;
mod pace;
mod ping_pong;

pub(crate) use disk_read::DiskReadProbe;
pub(crate) use disk_write::disk_write_rate;
pub(crate) use dsync::DsyncProbe;
pub(crate) use loopback::loopback_rate;
pub(crate) use pace::Pace;
pub(crate) use ping_pong::PingPong;
