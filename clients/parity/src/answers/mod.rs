//! Recorded answers: their files, the differences from them, and the list of wanted differences.
mod difference;
mod recording;
mod unserved;
mod wanted;

pub(crate) use difference::differences;
pub(crate) use recording::{Recording, print_recording, read_recording};
pub(crate) use unserved::Unserved;
pub(crate) use wanted::Wanted;
