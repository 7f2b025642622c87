//! The figures of consumer groups at scale, each in a file of its own.

mod commits;
mod crowd;
mod figures;
mod load;
mod many_members;
mod memory;
mod population;
mod rebalance;
mod spread;

pub(crate) use figures::run;
