//! How much of the memory for groups the members of a group of the consumer protocol were counted for.

use crate::coord::ids::MemberId;

/// Always: `bytes` is what the members were last counted for.
#[derive(Debug, Clone, Default)]
pub(in crate::coord::consumer) struct Held {
    pub(in crate::coord::consumer) bytes: usize,
    /// Members to be counted again; some may be there twice, or gone.
    pub(in crate::coord::consumer) touched: Vec<MemberId>,
}

impl Held {
    pub(in crate::coord::consumer) fn touch(&mut self, id: &MemberId) {
        if self.touched.last() != Some(id) {
            self.touched.push(id.clone());
        }
    }
}
