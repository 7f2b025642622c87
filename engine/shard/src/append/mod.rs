//! A batch on its way from its admission into a frame of the journal.

pub(crate) mod admission;
pub(crate) mod apply;
pub(crate) mod extent;
pub(crate) mod extent_choice;
pub(crate) mod inflating;
pub(crate) mod last_block;
pub(crate) mod seal;
