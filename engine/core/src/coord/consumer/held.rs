//! How much of the memory for groups the members of a group of the consumer protocol were counted for.

use crate::coord::ids::MemberId;

/// Always: `bytes` is what the members were last counted for.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    pub(super) bytes: usize,
    /// Members to be counted again; some may be there twice, or gone.
    pub(super) touched: Vec<MemberId>,
}

impl Held {
    pub(super) fn touch(&mut self, id: &MemberId) {
        if self.touched.last() != Some(id) {
            self.touched.push(id.clone());
        }
    }
}
