//! What always holds of a consumer group between two events.

use super::group::ConsumerGroup;

impl ConsumerGroup {
    pub(in crate::coord) fn check(&self) {
        assert!(
            self.assigned_epoch <= self.epoch,
            "targets are assigned for an epoch that the group has had"
        );
        for member in self.members.values() {
            assert!(member.epoch <= self.assigned_epoch, "no member is ahead of the assigned epoch");
            let is_static =
                member.instance.as_ref().is_none_or(|it| self.static_members.get(it) == Some(&member.id));
            assert!(is_static, "an instance id stands for the member that has it");
        }
        let with_instance = self.members.values().filter(|member| member.instance.is_some()).count();
        assert_eq!(self.static_members.len(), with_instance, "each member with an instance id is static");
        assert!(
            self.owners.values().all(|owner| self.members.contains_key(owner)),
            "what is owned is owned by a member"
        );
    }
}
