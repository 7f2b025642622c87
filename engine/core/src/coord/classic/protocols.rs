//! Which protocols all members of a group offer, and which of those they vote for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::member::Member;
use crate::coord::request::Protocol;

/// How many members offer each protocol, so that a join need not ask all of them.
#[derive(Debug, Clone, Default)]
pub(in crate::coord) struct ProtocolCounts {
    members: BTreeMap<Arc<str>, usize>,
}

impl ProtocolCounts {
    pub(in crate::coord) fn add(&mut self, protocols: &[Protocol]) {
        for name in distinct(protocols) {
            *self.members.entry(Arc::clone(name)).or_default() += 1;
        }
    }

    pub(in crate::coord) fn remove(&mut self, protocols: &[Protocol]) {
        for name in distinct(protocols) {
            match self.members.get_mut(name) {
                Some(1) => drop(self.members.remove(name)),
                Some(count) => *count -= 1,
                None => panic!("{name} was offered by nobody"),
            }
        }
    }

    /// Whether one of `protocols` is offered by all `members`.
    pub(in crate::coord) fn has_common(&self, protocols: &[Protocol], members: usize) -> bool {
        protocols.iter().any(|offered| self.is_common(&offered.name, members))
    }

    /// Whether all `members` have a protocol in common.
    pub(in crate::coord) fn is_any_common(&self, members: usize) -> bool {
        self.members.values().any(|count| *count == members)
    }

    fn is_common(&self, name: &str, members: usize) -> bool {
        self.members.get(name).is_some_and(|count| *count == members)
    }

    /// The protocol that most members want most, of those that all offer; of equals the first by name.
    pub(super) fn elect<'a>(&self, members: impl ExactSizeIterator<Item = &'a Member>) -> Option<Arc<str>> {
        let count = members.len();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in members {
            let wanted = member.protocols.iter().find(|offered| self.is_common(&offered.name, count));
            if let Some(wanted) = wanted {
                *votes.entry(&wanted.name).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        votes.iter().find(|(_, count)| *count == most).map(|(name, _)| Arc::clone(name))
    }
}

/// Each name once: a client can name one twice, and as many as its request holds.
fn distinct(protocols: &[Protocol]) -> Vec<&Arc<str>> {
    let mut names: Vec<&Arc<str>> = protocols.iter().map(|offered| &offered.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}
