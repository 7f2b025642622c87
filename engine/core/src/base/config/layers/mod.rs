//! What was set while the broker runs, over what its file says.

pub(super) mod cordon;
pub(super) mod describe;
pub(super) mod dynamic;
pub(super) mod per_address;
