//! The figures that the whole storage engine is accepted by, each in a file of its own.

mod cold_consume;
mod cold_reader;
mod consume;
mod figures;
mod partitions;
mod produce;
mod restart;
mod retention;
mod stalled_readers;

pub(crate) use figures::run;
