//! What always holds of a classic group between two events.

use super::group::ClassicGroup;
use super::member::SyncDuty;
use super::state::GroupState;

impl ClassicGroup {
    pub(in crate::coord) fn check(&self) {
        let is_member = |id| self.members.contains_key(id);
        assert!(self.leader.as_ref().is_none_or(is_member), "the leader is a member");
        assert!(
            self.static_members.iter().all(|(instance, id)| {
                self.members.get(id).is_some_and(|member| member.instance.as_ref() == Some(instance))
            }),
            "an instance id stands for the member that has it"
        );
        let with_instance = self.members.values().filter(|member| member.instance.is_some()).count();
        assert_eq!(self.static_members.len(), with_instance, "each member with an instance id is static");
        let is_memberless = matches!(self.state, GroupState::Empty | GroupState::Dead);
        assert!(!is_memberless || self.members.is_empty(), "an empty group has no members");
        let joining = self.members.values().filter(|member| member.joining.is_some()).count();
        assert_eq!(self.joining, joining, "joins that wait are counted");
        let unsynced = self.members.values().filter(|member| member.sync_duty == SyncDuty::Owed).count();
        assert_eq!(self.unsynced, unsynced, "syncs that are owed are counted");
    }
}
