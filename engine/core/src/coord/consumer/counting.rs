//! What a group of the consumer protocol takes of the memory for groups:
//! counted again where something has changed.

use super::state::group::ConsumerGroup;
use super::state::member::ConsumerMember;
use crate::coord::cost::{entry_bytes, protocols_bytes, text_bytes, texts_bytes};
use crate::coord::embedded::subscribed_bytes;
use crate::coord::ids::{Epoch, MemberId};
use crate::coord::kip848::ConsumerBeat;
use crate::coord::request::JoinRequest;

impl ConsumerGroup {
    /// Counts what has changed; answers what all in it takes.
    pub(in crate::coord) fn count_bytes(&mut self) -> usize {
        for id in std::mem::take(&mut self.held.touched) {
            if let Some(member) = self.members.get_mut(&id) {
                let bytes = member.held_bytes();
                self.held.bytes = self.held.bytes - member.counted + bytes;
                member.counted = bytes;
            }
        }
        self.held.bytes + self.own_bytes()
    }

    /// The same from nothing.
    pub(in crate::coord) fn recount_bytes(&self) -> usize {
        self.members.values().map(ConsumerMember::held_bytes).sum::<usize>() + self.own_bytes()
    }

    fn own_bytes(&self) -> usize {
        let patterns: usize =
            self.patterns.iter().map(|(text, it)| text_bytes(text.len()) + it.held_bytes()).sum();
        size_of::<ConsumerGroup>() + patterns
    }

    /// What a join with the classic protocol adds.
    pub(in crate::coord) fn growth_of_join(&self, request: &JoinRequest) -> usize {
        let said = request.protocols.first().map_or(0, |first| subscribed_bytes(&first.metadata));
        let bytes = protocols_bytes(&request.protocols) + said;
        let by_instance = request.instance.as_ref().and_then(|instance| self.instance(instance.as_str()));
        match self.members.get(&request.member).or(by_instance) {
            Some(member) => {
                let before = member.classic.as_ref().map_or(0, |it| protocols_bytes(&it.protocols));
                bytes.saturating_sub(before + texts_bytes(&member.topics))
            }
            None => bytes + newcomer_bytes(&request.new_consumer, &request.client_id),
        }
    }
}

/// What a heartbeat adds to its group; without what it will be assigned.
pub(in crate::coord) fn growth_of_beat(group: Option<&ConsumerGroup>, request: &ConsumerBeat) -> usize {
    if matches!(request.epoch, Epoch::LEAVING | Epoch::AWAY) {
        return 0;
    }
    let patterns = request.pattern.as_ref().map_or(0, |pattern| 2 * text_bytes(pattern.len()));
    let bytes = request.topics.as_ref().map_or(0, |topics| texts_bytes(topics)) + patterns;
    let by_instance = |group: &'_ ConsumerGroup| {
        let instance = request.instance.as_ref()?;
        group.static_members.get(instance).cloned()
    };
    let known = group.and_then(|group| {
        let id = by_instance(group).unwrap_or_else(|| request.member.clone());
        group.members.get(&id)
    });
    match known {
        Some(member) => {
            let pattern = member.pattern.as_ref().map_or(0, |pattern| 2 * text_bytes(pattern.len()));
            bytes.saturating_sub(texts_bytes(&member.topics) + pattern)
        }
        None if request.epoch == Epoch::JOINING => {
            bytes + newcomer_bytes(&request.member, &request.client_id)
        }
        None => 0,
    }
}

fn newcomer_bytes(id: &MemberId, client_id: &str) -> usize {
    entry_bytes::<(MemberId, ConsumerMember)>() + text_bytes(id.len()) + text_bytes(client_id.len())
}
