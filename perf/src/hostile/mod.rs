//! Peers that mean no good, one kind a file: what they take of the broker's memory,
//! and of an honest client's time.

mod bombs;
mod figures;
mod frames;
mod half_sent;
mod honest;
mod joins;
mod lengths;
mod peer;
mod pipelines;
mod pushes;
mod slow_readers;
mod storm;
mod vanishing;

pub(crate) use figures::run;
