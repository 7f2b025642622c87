//! Where frames stand: in the ring (`ring`) or in the slots (`slots`), and which of them a cleaning carries
//! (`release`).

pub(super) mod geometry;
pub(super) mod release;
pub(super) mod ring;
pub(super) mod slots;
