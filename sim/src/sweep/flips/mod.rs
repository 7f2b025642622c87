//! Flips bits in every kind of file behind the node's back: it refuses and names the file,
//! or serves what was written.
//!
//! `places` chooses the bits, `drive` is what runs on the shards and judges, with `times`,
//! `bench` makes the disks and boots.

mod bench;
mod drive;
mod places;
mod times;

pub use bench::FlipBench;
pub use places::{Flip, Harm, Kind};
