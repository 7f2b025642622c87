//! A group of the consumer protocol beside the classic ones: who owns what there, as its members see it.

use std::collections::{BTreeMap, BTreeSet};

use millrace_wire::Uuid;

/// A partition as heartbeats name it.
pub(crate) type Part = (Uuid, i32);

/// Of the one group. A member is a number that nobody else ever has.
#[derive(Default)]
pub(crate) struct Consumers {
    owners: BTreeMap<Part, u64>,
    /// Members that were answered since the last look, and whether they have given up what they had to.
    heard: BTreeMap<u64, bool>,
    drawn: u64,
    put_off: u64,
    /// Whether the group had a leader when a classic member last joined it.
    has_leader: bool,
    turns: u64,
}

impl Consumers {
    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// A member was told that its group cannot change just now.
    pub(crate) fn is_put_off(&mut self) {
        self.put_off += 1;
    }

    /// How often that was said.
    pub(crate) fn put_off(&self) -> u64 {
        self.put_off
    }

    /// A classic member joined, and was told who leads: in a group of the consumer protocol nobody does.
    pub(crate) fn note_leader(&mut self, leader: &str) {
        let has_leader = !leader.is_empty();
        self.turns += u64::from(has_leader != self.has_leader);
        self.has_leader = has_leader;
    }

    /// How often classic members found a group of the other protocol than before.
    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }

    /// A member owns exactly these from now on.
    pub(crate) fn own(&mut self, member: u64, parts: &BTreeSet<Part>, is_done: bool) -> Result<(), String> {
        self.keep(member, parts);
        for part in parts {
            match self.owners.insert(*part, member) {
                Some(other) if other != member => {
                    return Err(format!("partition {} is owned by {other} and {member}", part.1));
                }
                _ => {}
            }
        }
        self.heard.insert(member, is_done);
        Ok(())
    }

    /// A member has given up all but these, before anybody was told.
    pub(crate) fn keep(&mut self, member: u64, parts: &BTreeSet<Part>) {
        self.owners.retain(|part, owner| *owner != member || parts.contains(part));
    }

    /// A member owns nothing any more.
    pub(crate) fn forget(&mut self, member: u64) {
        self.owners.retain(|_, owner| *owner != member);
        self.heard.remove(&member);
    }

    /// What was heard before does not say how things are.
    pub(crate) fn look_anew(&mut self) {
        self.heard.clear();
    }

    /// Whether every partition is owned by one of so many members that were all heard of.
    pub(crate) fn settled(&self, members: usize, parts: usize) -> Result<(), String> {
        let heard = self.heard.values().filter(|is_done| **is_done).count();
        if heard != members {
            return Err(format!("{heard} of {members} consumers were heard of"));
        }
        match self.owners.len() == parts {
            true => Ok(()),
            false => Err(format!("consumers own {} of {parts} partitions", self.owners.len())),
        }
    }
}
