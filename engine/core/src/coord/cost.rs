//! What groups keep, in bytes of memory: of a request before it is taken, and of what it has left.

use std::sync::Arc;

use super::ids::{GroupId, MemberId};
use super::request::Protocol;

/// A shared text begins with two counts.
pub(super) const COUNTS_OF_AN_ARC: usize = 16;

/// Entries that a node of a `BTreeMap` has room for.
const SLOTS_OF_A_NODE: usize = 11;

/// The entry of a timeout in its queue, which may be twice as long as there are timeouts.
pub(super) const TIMER_BYTES: usize = 96;

/// Slots of a tree of so many entries: of more than one node each is at least half full,
/// and no more where entries came in order.
pub(super) const fn slots_for(entries: usize) -> usize {
    match entries {
        0 => 0,
        1..=SLOTS_OF_A_NODE => SLOTS_OF_A_NODE,
        more => more.saturating_mul(SLOTS_OF_A_NODE).div_ceil(SLOTS_OF_A_NODE / 2 + 1),
    }
}

/// An entry of a tree that has many.
pub(super) const fn entry_bytes<T>() -> usize {
    slots_for(SLOTS_OF_A_NODE + 1) * size_of::<T>() / (SLOTS_OF_A_NODE + 1)
}

/// A text of its own.
pub(super) const fn text_bytes(len: usize) -> usize {
    len + COUNTS_OF_AN_ARC
}

/// Protocols as a member keeps them, and each of them as the group counts it.
pub(super) fn protocols_bytes(protocols: &[Protocol]) -> usize {
    let each = size_of::<Protocol>() + COUNTS_OF_AN_ARC + entry_bytes::<(Arc<str>, usize)>();
    let texts: usize = protocols.iter().map(|offered| offered.name.len() + offered.metadata.len()).sum();
    protocols.len() * each + texts
}

/// Texts that are kept one by one.
pub(super) fn texts_bytes(texts: &[Arc<str>]) -> usize {
    texts.iter().map(|text| size_of::<Arc<str>>() + text_bytes(text.len())).sum()
}

/// A group that has nothing yet, of this name and this many bytes.
pub(super) fn group_bytes(id: &GroupId, own: usize) -> usize {
    // A table of groups is between half full and seven eighths.
    own + text_bytes(id.len()) + 2 * size_of::<(GroupId, usize)>()
}

/// An id that was given away.
pub(super) fn pending_bytes<T>(id: &MemberId) -> usize {
    entry_bytes::<(MemberId, T)>() + text_bytes(id.len()) + TIMER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_take_nodes() {
        for (entries, slots) in [(0, 0), (1, 11), (11, 11), (12, 22), (600, 1100)] {
            assert_eq!(slots_for(entries), slots, "{entries}");
        }
    }
}
