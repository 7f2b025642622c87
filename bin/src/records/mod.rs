//! `millrace produce` and `millrace consume`: records go into topics and come out of them as text.

mod arguments;
mod batches;
mod consume;
mod format;
mod group;
mod partitioner;
mod produce;
mod reading;
mod run;
mod writing;

pub(crate) use arguments::{ConsumeArguments, ProduceArguments};
pub(crate) use run::{run_consume, run_produce};
