//! A shard's way into the simulated world.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use crate::kernel::Bound;
use crate::moment::Moment;
use crate::operation::SocketId;
use crate::slots::SlotId;

pub(crate) struct Port {}

impl Port {
    pub(crate) fn submit(&self, _id: SlotId) {}
    pub(crate) fn cancel(&self, _id: SlotId) {}
    pub(crate) fn now(&self) -> Moment {
        Moment::ZERO
    }
    pub(crate) fn wall_now_ms(&self) -> i64 {
        0
    }
    pub(crate) fn spawn(&self, _task: Pin<Box<dyn Future<Output = ()>>>) {}
    pub(crate) fn bind(&self, _address: SocketAddr) -> io::Result<Bound> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub(crate) fn shutdown(&self, _id: SocketId) {}
    pub(crate) fn end(&self, _reason: String) {}
}
