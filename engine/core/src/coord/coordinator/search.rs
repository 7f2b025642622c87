//! The search for offsets that expired, a few groups a turn.

use super::deletion::{Coming, tombstone};
use super::machine::Coordinator;
use crate::coord::action::Action;
use crate::coord::ids::{GroupId, Now};
use crate::coord::record::CoordinatorRecord;
use crate::coord::settings::GROUPS_SEARCHED_PER_TURN;
use crate::coord::writing::purpose::WritePurpose;

/// What a search finds in one group.
enum Found {
    Nothing,
    /// Tombstones of the offsets that expired, while others have not.
    Offsets(Vec<CoordinatorRecord>),
    /// No offset is left, and no member.
    WholeGroup,
    /// There is nothing of it in the log either.
    Blank,
}

impl Coordinator {
    /// Goes on with the search, or begins another where the last has ended.
    pub(super) fn search(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.to_search.is_empty() {
            // Of a group that nobody speaks for any more.
            self.writes.retry_all(actions);
            self.to_search.extend(self.groups.keys().cloned());
        }
        let count = self.to_search.len().min(GROUPS_SEARCHED_PER_TURN);
        let ids: Vec<GroupId> = self.to_search.drain(..count).collect();
        let (mut offsets, mut tombstones, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        let coming = Coming::of(&self.writes);
        for id in ids {
            match self.search_group(&id, &coming, now) {
                Found::Nothing => {}
                Found::Offsets(records) => offsets.extend(records),
                Found::Blank => self.forget(id.as_str()),
                Found::WholeGroup => {
                    self.begin_deletion(&id, &coming, now, &mut tombstones);
                    groups.push(id);
                }
            }
        }
        if !offsets.is_empty() {
            self.writes.ask(offsets, WritePurpose::Records, None, actions);
        }
        if !groups.is_empty() {
            self.writes.ask(tombstones, WritePurpose::Deletion { groups }, None, actions);
        }
        let pause_ms = if self.to_search.is_empty() { self.settings.retention_check_interval_ms } else { 1 };
        // At once would be within this very turn.
        self.arm_search(now, pause_ms.max(1));
    }

    fn search_group(&self, id: &GroupId, coming: &Coming, now: Now) -> Found {
        let Some(group) = self.groups.get(id) else { return Found::Nothing };
        if group.is_blank() {
            return Found::Blank;
        }
        let Some(expiration) = group.expiration() else { return Found::Nothing };
        let retention_ms = self.settings.offsets_retention_ms;
        let (mut expired, mut kept) = (Vec::new(), 0usize);
        for (topic, offsets) in group.offsets.iter() {
            for (partition, offset) in offsets {
                if expiration.has_expired(topic.as_str(), &offset, now.wall.0, retention_ms) {
                    expired.push(tombstone(id, topic, partition));
                } else {
                    kept += 1;
                }
            }
        }
        let is_unused = group.is_unused();
        let found = match (kept, expired.is_empty()) {
            (0, _) if is_unused => Found::WholeGroup,
            (_, true) => Found::Nothing,
            (_, false) => Found::Offsets(expired),
        };
        // What is on its way to the log would come before the tombstones, and be lost.
        let is_under_way = || self.writes.is_behind(id.as_str()) || coming.has(id);
        let is_settled = matches!(found, Found::Nothing) || !is_under_way();
        if is_settled { found } else { Found::Nothing }
    }
}
