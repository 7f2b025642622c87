//! The coordinator: its groups, their timeouts, and the writes under way.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::room::{Room, own_bytes};
use crate::coord::action::Action;
use crate::coord::deadlines::{Deadlines, Subject, Timer};
use crate::coord::group::Group;
use crate::coord::ids::{GroupId, MonotonicMs, Now};
use crate::coord::settings::GroupSettings;
use crate::coord::tally::GroupTally;
use crate::coord::turn::Turn;
use crate::coord::writing::writes::Writes;

/// The groups of one partition of `__consumer_offsets` (Kafka: `GroupCoordinatorShard`). Lives on the shard
/// that owns the partition; the host hands it requests, calls `written` for each write it asked for and
/// `expire` when `next_deadline` comes. Nothing is answered that the log does not hold yet, where Kafka
/// promises it: assignments, offsets, deletions, the leaving of the last member.
/// Waiting requests are tokens; each is answered once.
#[derive(Debug, Clone)]
pub struct Coordinator {
    pub(super) settings: Arc<GroupSettings>,
    pub(super) groups: FxHashMap<GroupId, Box<Group>>,
    pub(super) deadlines: Deadlines,
    pub(super) writes: Writes,
    pub(super) search_timer: Timer,
    /// Groups that the search for expired offsets has yet to look at.
    pub(super) to_search: VecDeque<GroupId>,
    pub(super) tally: GroupTally,
    pub(super) room: Room,
}

impl Coordinator {
    /// Of a partition that has never been written.
    pub fn new(settings: Arc<GroupSettings>, now: Now) -> Coordinator {
        let mut coordinator = Coordinator {
            settings,
            groups: FxHashMap::default(),
            deadlines: Deadlines::default(),
            writes: Writes::default(),
            search_timer: Timer::default(),
            to_search: VecDeque::new(),
            tally: GroupTally::default(),
            room: Room::default(),
        };
        coordinator.arm_search(now, coordinator.settings.retention_check_interval_ms);
        coordinator
    }

    /// Settings were changed: they hold from each group's next event on, as in Kafka.
    pub fn follow(&mut self, settings: Arc<GroupSettings>) {
        self.settings = settings;
    }

    /// When `expire` is to be called next; it may find nothing to do.
    pub fn next_deadline(&self) -> Option<MonotonicMs> {
        self.deadlines.next()
    }

    /// Writes that were asked for and for which `written` was not called yet.
    pub fn writes_under_way(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn arm_search(&mut self, now: Now, ms: i64) {
        let at = MonotonicMs(now.clock.0.saturating_add(u64::try_from(ms).unwrap_or(0)));
        self.deadlines.arm(&mut self.search_timer, at, || Subject::Search);
    }

    /// A group, if it is there, with all that it needs to handle an event.
    pub(super) fn group_turn<'a>(
        &'a mut self,
        id: &str,
        now: Now,
        actions: &'a mut Vec<Action>,
    ) -> Option<(&'a mut Group, Turn<'a>)> {
        self.settle();
        let free_bytes = self.free_bytes();
        let (known, _) = self.groups.get_key_value(id)?;
        self.room.touch(known);
        let group = self.groups.get_mut(id)?;
        let turn = Turn {
            free_bytes,
            now,
            settings: &self.settings,
            deadlines: &mut self.deadlines,
            writes: &mut self.writes,
            tally: &mut self.tally,
            actions,
        };
        Some((group, turn))
    }

    /// Counts the groups that have changed.
    pub(super) fn settle(&mut self) {
        for id in std::mem::take(&mut self.room.touched) {
            if let Some(group) = self.groups.get_mut(&id) {
                let bytes = own_bytes(&id) + group.count_bytes();
                self.room.bytes = self.room.bytes - group.counted + bytes;
                group.counted = bytes;
            }
        }
    }

    pub(super) fn free_bytes(&self) -> usize {
        self.room.bytes_max.saturating_sub(self.room.bytes).saturating_sub(self.writes.bytes())
    }

    /// Keeps the queue of timeouts in proportion to what can time out, however fast members come and go.
    pub(super) fn purge_deadlines(&mut self) {
        if self.deadlines.is_overgrown() {
            let (groups, search) = (&self.groups, &self.search_timer);
            self.deadlines.purge(|at, subject| match subject {
                Subject::Search => search.owns(at),
                _ => {
                    let group = subject.group().and_then(|group| groups.get(group));
                    group.is_some_and(|group| group.owns(at, subject))
                }
            });
        }
    }

    /// Forgets a group that never had a generation nor offsets.
    pub(super) fn forget_if_blank(&mut self, id: &str) {
        if self.groups.get(id).is_some_and(|group| group.is_blank()) {
            self.forget(id);
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        if let Some(group) = self.groups.remove(id) {
            self.room.bytes -= group.counted;
        }
        if self.groups.len() * 4 <= self.groups.capacity() {
            self.groups.shrink_to_fit();
        }
    }
}
