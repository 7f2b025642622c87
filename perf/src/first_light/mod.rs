//! The figures that the first broker is accepted by, each in a file of its own.

mod bench;
mod hardening;
mod hostile;
mod junk;
mod many_partitions;
mod one_in_flight;
mod population;
mod rounds;
mod start;
mod suite;
mod throughput;
mod workload;

pub(crate) use suite::run;
