//! The brokers under measurement: how they are started, ended and watched from outside.

mod kafka;
mod listener;
mod metrics;
mod millrace;
mod process;
mod rings;

pub(crate) use kafka::Kafka;
pub(crate) use listener::listener_of;
pub(crate) use metrics::{samples, scrape};
pub(crate) use millrace::{Millrace, MillraceSettings, free_address};
pub(crate) use process::{Descriptor, Process};
pub(crate) use rings::Rings;
