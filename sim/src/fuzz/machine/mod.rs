//! Frames through the whole of a broker in a simulated world: each is answered or ends its connection,
//! in bounded memory.

mod desk;
mod life;
mod sender;
mod stock;
mod tally;

pub use life::{FrameRun, LIFE_FRAMES};
pub use tally::FrameTally;
