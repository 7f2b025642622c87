//! Which protocols the members of a consumer group speak,
//! and whether those that are left make a classic group of it.

use crate::coord::consumer::state::group::{ConsumerGroup, Life};
use crate::coord::ids::MemberId;
use crate::coord::kip848::ClassicMetadata;
use crate::coord::settings::GroupSettings;

/// What kinds of members a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coord::consumer) enum Makeup {
    /// Some speak the consumer protocol.
    WithConsumers,
    /// None does; or nobody is there.
    ClassicOnly,
}

impl ConsumerGroup {
    pub(in crate::coord::consumer) fn makeup(&self) -> Makeup {
        match self.members.len() == self.classic.len() {
            true => Makeup::ClassicOnly,
            false => Makeup::WithConsumers,
        }
    }

    /// Lets a member go on with the classic protocol, or with the consumer protocol.
    pub(in crate::coord::consumer) fn set_classic(
        &mut self,
        id: &MemberId,
        classic: Option<ClassicMetadata>,
    ) {
        let classic = classic.map(Box::new);
        let before = self.member(id).classic.take();
        self.classic.remove(before.as_deref());
        self.classic.add(classic.as_deref());
        self.member(id).classic = classic;
    }

    /// Whether the group is to become a classic one now that its last member of the consumer protocol is
    /// gone.
    pub(in crate::coord::consumer) fn is_left_to_classic(
        &self,
        before: Makeup,
        settings: &GroupSettings,
    ) -> bool {
        before == Makeup::WithConsumers
            && self.makeup() == Makeup::ClassicOnly
            && !self.members.is_empty()
            && self.classic.has_common_protocol()
            && settings.consumer_migration.has_downgrades()
            && self.members.len() <= settings.max_size
    }

    /// It cannot: those that are left share anew here.
    pub(in crate::coord) fn stay(&mut self) {
        self.life = Life::Alive;
        self.bump();
    }

    /// Whether only members of the classic protocol are left, so that the group is to become one of theirs.
    pub(in crate::coord) fn is_downgrading(&self) -> bool {
        self.life == Life::Downgrading
    }
}
