//! How much of the memory for groups the members of a classic group were counted for.

use crate::coord::ids::MemberId;

/// Always: `bytes` is what the members and the ids given away were last counted for.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    pub(super) bytes: usize,
    /// Members to be counted again; some may be there twice, or gone.
    pub(super) touched: Vec<MemberId>,
}
