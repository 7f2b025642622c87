//! How much of the memory for groups those of a coordinator were counted for, and how much they may have.

use crate::coord::cost::group_bytes;
use crate::coord::group::Group;
use crate::coord::ids::GroupId;

/// What all groups of a coordinator take. Always: `bytes` is the sum of what each was last counted for.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) bytes: usize,
    pub(super) bytes_max: usize,
    /// To be counted again; some may be there twice, or gone.
    pub(super) touched: Vec<GroupId>,
}

impl Default for Room {
    fn default() -> Room {
        Room { bytes: 0, bytes_max: usize::MAX, touched: Vec::new() }
    }
}

impl Room {
    pub(super) fn touch(&mut self, group: &GroupId) {
        if self.touched.last() != Some(group) {
            self.touched.push(group.clone());
        }
    }
}

/// What a group takes before it holds anything.
pub(super) fn own_bytes(id: &GroupId) -> usize {
    group_bytes(id, size_of::<Group>())
}
