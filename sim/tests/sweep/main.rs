//! The crash sweep as CI runs it: a sample of what `millrace-sim --sweep` covers whole.

mod checkpoints;
mod compaction;
mod crashes;
mod damage;
mod flips;
mod losses;
mod planted;
mod retention;
mod topics;
