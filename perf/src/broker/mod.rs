//! The brokers under measurement: how they are started, ended and watched from outside.

mod kafka;
mod listener;
mod millrace;
mod process;
mod rings;

pub(crate) use kafka::Kafka;
pub(crate) use listener::listener_of;
pub(crate) use millrace::{Millrace, MillraceSettings};
pub(crate) use process::{Descriptor, Process};
pub(crate) use rings::Rings;
