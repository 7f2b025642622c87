//! A classic group: its members and their number, kept consistent through every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::held::Held;
use super::member::{Member, PendingMember, SyncDuty, kept};
use super::protocols::ProtocolCounts;
use super::state::GroupState;
use crate::base::TimestampMs;
use crate::coord::answer::{Answer, JoinRefused, Joined, Synced};
use crate::coord::cost::pending_bytes;
use crate::coord::deadlines::Timer;
use crate::coord::error::GroupError;
use crate::coord::ids::{Generation, GroupId, InstanceId, MemberId, Now, Token};
use crate::coord::request::Protocol;
use crate::coord::turn::Turn;

/// How the phase began in which members join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinPhase {
    /// By the first members of an empty group: it lasts for its delay, which grows while members come,
    /// up to their rebalance timeout.
    Initial { delay_ms: i32, remaining_ms: i32, newcomers: Newcomers },
    /// By a change in a group with members: it lasts until all are back.
    Again,
}

/// Whether members came since the initial delay began or was last extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Newcomers {
    Some,
    None,
}

/// A classic group (Kafka: `ClassicGroup`). Lives on the shard that owns its partition of the offsets topic.
/// Always: the leader is a member; `static_members` are exactly the members with an instance id; Empty and
/// Dead have no members; each waiting token is in one member.
#[derive(Debug, Clone)]
pub(in crate::coord) struct ClassicGroup {
    pub(super) id: GroupId,
    pub(super) state: GroupState,
    pub(super) state_timestamp: TimestampMs,
    pub(super) phase: JoinPhase,
    /// `None` for a group that only ever had offsets.
    pub(super) protocol_type: Option<Arc<str>>,
    /// Of this generation.
    pub(super) protocol: Option<Arc<str>>,
    pub(super) generation: Generation,
    pub(super) leader: Option<MemberId>,
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) static_members: BTreeMap<InstanceId, MemberId>,
    pub(super) pending: BTreeMap<MemberId, PendingMember>,
    /// What members and ids given away take.
    pub(super) held: Held,
    pub(super) counts: ProtocolCounts,
    /// Members whose join waits.
    pub(super) joining: usize,
    /// Members that owe a sync.
    pub(super) unsynced: usize,
    /// The generation whose assignment is being written.
    pub(super) assigning: Option<Generation>,
    pub(super) join_timer: Timer,
    pub(super) sync_timer: Timer,
}

impl ClassicGroup {
    /// What always holds between two events.
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

    pub(in crate::coord) fn new(id: GroupId, now: Now) -> ClassicGroup {
        ClassicGroup {
            id,
            state: GroupState::Empty,
            state_timestamp: now.wall,
            phase: JoinPhase::Again,
            protocol_type: None,
            protocol: None,
            generation: Generation(0),
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending: BTreeMap::new(),
            held: Held::default(),
            counts: ProtocolCounts::default(),
            joining: 0,
            unsynced: 0,
            assigning: None,
            join_timer: Timer::default(),
            sync_timer: Timer::default(),
        }
    }

    pub(in crate::coord) fn id(&self) -> &GroupId {
        &self.id
    }

    pub(in crate::coord) fn state(&self) -> GroupState {
        self.state
    }

    pub(in crate::coord) fn generation(&self) -> Generation {
        self.generation
    }

    pub(in crate::coord) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    pub(in crate::coord) fn protocol(&self) -> Option<&Arc<str>> {
        self.protocol.as_ref()
    }

    pub(in crate::coord) fn leader(&self) -> Option<&MemberId> {
        self.leader.as_ref()
    }

    pub(in crate::coord) fn has_member(&self, id: &MemberId) -> bool {
        self.members.contains_key(id)
    }

    pub(in crate::coord) fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    /// Whether nothing is lost by forgetting it: it never had a generation and nobody is in it or on the way.
    pub(in crate::coord) fn is_blank(&self) -> bool {
        self.state == GroupState::Empty
            && self.pending.is_empty()
            && self.generation == Generation(0)
            && self.protocol_type.is_none()
    }

    pub(in crate::coord) fn has_pending_members(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Its deletion is asked for.
    pub(in crate::coord) fn begin_deletion(&mut self, now: Now) {
        self.become_state(GroupState::Dead, now);
    }

    /// Its deletion failed.
    pub(in crate::coord) fn undo_deletion(&mut self) {
        assert!(self.state.leads_to(GroupState::Empty), "{} is {:?}", self.id, self.state);
        self.state = GroupState::Empty;
    }

    pub(super) fn become_state(&mut self, next: GroupState, now: Now) {
        assert!(self.state.leads_to(next), "{} goes from {:?} to {next:?}", self.id, self.state);
        self.state = next;
        self.state_timestamp = now.wall;
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.as_str() == member)
    }

    /// Who sent a request: an unknown member, one whose instance id another has taken over,
    /// or one of the group.
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(GroupError::UnknownMemberId),
                Some(known) if known.as_str() != member => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }

    /// Notes an id that was given away.
    pub(super) fn put_pending(&mut self, id: &MemberId, pending: PendingMember) {
        self.take_pending(id);
        self.held.bytes += pending_bytes::<PendingMember>(id);
        self.pending.insert(id.clone(), pending);
    }

    pub(super) fn take_pending(&mut self, id: &MemberId) {
        if self.pending.remove(id).is_some() {
            self.held.bytes -= pending_bytes::<PendingMember>(id);
        }
    }

    pub(super) fn add(&mut self, member: Member) {
        if let Some(instance) = &member.instance {
            let before = self.static_members.insert(instance.clone(), member.id.clone());
            assert!(before.is_none(), "{instance} is a member of {}", self.id);
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.counts.add(&member.protocols);
        self.joining += usize::from(member.joining.is_some());
        self.take_pending(&member.id);
        self.held.touched.push(member.id.clone());
        let before = self.members.insert(member.id.clone(), member);
        assert!(before.is_none(), "a member of {} was added twice", self.id);
    }

    /// Takes a member, or an id that was given away, out of the group. What it waits for is answered: its
    /// client, if it is still there, joins again.
    pub(super) fn remove(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        self.take_pending(id);
        self.answer_join(id, Err(JoinRefused::unknown_member()), turn);
        self.answer_sync(id, Err(GroupError::UnknownMemberId), turn);
        if let Some(member) = self.members.remove(id) {
            self.held.bytes -= member.counted;
            self.counts.remove(&member.protocols);
            self.unsynced -= usize::from(member.sync_duty == SyncDuty::Owed);
            if let Some(instance) = &member.instance {
                self.static_members.remove(instance);
            }
        }
        if self.is_leader(id.as_str()) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Gives a static member another id. Whoever waits under the old one is fenced.
    pub(super) fn rename(&mut self, old: &MemberId, new: &MemberId, turn: &mut Turn<'_>) {
        let fenced = JoinRefused { error: GroupError::FencedInstanceId, member: old.clone() };
        self.answer_join(old, Err(fenced), turn);
        self.answer_sync(old, Err(GroupError::FencedInstanceId), turn);
        let Some(mut member) = self.members.remove(old) else { return };
        member.id = new.clone();
        member.session = Timer::default();
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), new.clone());
        }
        if self.is_leader(old.as_str()) {
            self.leader = Some(new.clone());
        }
        self.held.bytes -= std::mem::take(&mut member.counted);
        self.held.touched.push(new.clone());
        self.members.insert(new.clone(), member);
    }

    /// What a member offers from now on.
    pub(super) fn offer(
        &mut self,
        id: &MemberId,
        protocols: &[Protocol],
        session_timeout_ms: i32,
        rebalance_timeout_ms: i32,
    ) {
        let Some(member) = self.members.get_mut(id) else { return };
        self.counts.remove(&member.protocols);
        member.protocols = kept(protocols);
        member.session_timeout_ms = session_timeout_ms;
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        self.counts.add(&member.protocols);
        self.held.touched.push(id.clone());
    }

    /// Lets a member's join wait. One that waited before came over a connection that its client has given up;
    /// Kafka never answers it.
    pub(super) fn wait_for_join(&mut self, id: &MemberId, token: Token, turn: &mut Turn<'_>) {
        let stale = JoinRefused { error: GroupError::RebalanceInProgress, member: id.clone() };
        self.answer_join(id, Err(stale), turn);
        if let Some(member) = self.members.get_mut(id) {
            member.joining = Some(token);
            self.joining += 1;
        }
    }

    /// Lets a member's sync wait; one before it is answered as above.
    pub(super) fn wait_for_sync(&mut self, id: &MemberId, token: Token, turn: &mut Turn<'_>) {
        self.answer_sync(id, Err(GroupError::RebalanceInProgress), turn);
        if let Some(member) = self.members.get_mut(id) {
            member.syncing = Some(token);
        }
    }

    pub(super) fn answer_join(
        &mut self,
        id: &MemberId,
        answer: Result<Joined, JoinRefused>,
        turn: &mut Turn<'_>,
    ) {
        let token = self.members.get_mut(id).and_then(|member| member.joining.take());
        if let Some(token) = token {
            self.joining -= 1;
            turn.reply(token, Answer::Join(answer));
        }
    }

    pub(super) fn answer_sync(
        &mut self,
        id: &MemberId,
        answer: Result<Synced, GroupError>,
        turn: &mut Turn<'_>,
    ) {
        let token = self.members.get_mut(id).and_then(|member| member.syncing.take());
        if let Some(token) = token {
            turn.reply(token, Answer::Sync(answer));
        }
    }

    /// The longest of its members.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Every member owes a sync, or none does.
    pub(super) fn set_sync_duty(&mut self, duty: SyncDuty) {
        for member in self.members.values_mut() {
            member.sync_duty = duty;
        }
        self.unsynced = if duty == SyncDuty::Owed { self.members.len() } else { 0 };
    }
}
