//! The figures that the first broker is accepted by, each in a file of its own.

mod figures;
mod hardening;
mod hostile;
mod junk;
mod many_partitions;
mod one_in_flight;
mod placed;
mod population;
mod rounds;
mod start;
mod throughput;
mod turns;

pub(crate) use figures::run;
