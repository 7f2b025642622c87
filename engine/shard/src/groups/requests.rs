//! Requests come to the coordinators of one shard, and what these want done is done.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::ids::{PartitionKey, TopicId};
use millrace_core::coord::{
    Action, Coordinator, GroupError, GroupFilter, ListedGroup, MemberId, MonotonicMs, TopicName,
};
use millrace_core::meta::MetadataImage;
use millrace_rt::Moment;

use crate::api::{FetchOffsets, OffsetSelection, SelectedOffsets};
use crate::groups::coordinators::GroupStats;
use crate::groups::coordinators::{Hosted, Serving, now};
use crate::groups::host::GroupHost;
use crate::groups::planted::spoil;
use crate::mesh::calls::Group;
use crate::mesh::group_calls::ListedPartitions;
use crate::mesh::group_calls::{GroupCall, GroupRequest, GroupResponse};
use crate::mesh::responder::Responder;

/// Groups looked at between two turns of the other tasks.
const GROUPS_A_TURN: usize = 64;

impl GroupHost {
    /// Hands a request to its coordinator; `respond` is used now, or when the coordinator says so.
    pub(crate) fn serve(self: &Rc<Self>, call: GroupCall, responder: Responder<Group>) {
        let GroupCall { coordinator, request } = call;
        if let Err(error) = self.host_groups(coordinator) {
            return responder.send(Err(error));
        }
        let mut actions = Vec::new();
        self.groups.with_serving(coordinator, |serving| {
            self.hand_over_request(serving, request, responder, &mut actions)
        });
        self.carry_out(coordinator, actions);
    }

    /// Lets timeouts fire when they are due. Never returns.
    pub(crate) async fn run_timers(self: Rc<Self>) {
        loop {
            let sooner = self.groups.sooner.wait();
            match self.groups.planned.get() {
                MonotonicMs::NEVER => sooner.await,
                at => {
                    let at = Moment::ZERO + Duration::from_millis(at.0);
                    millrace_rt::select(sooner, millrace_rt::sleep_until(at)).await;
                }
            }
            let moment = now();
            for key in self.groups.due(moment.clock) {
                let mut actions = Vec::new();
                let topics = self.cluster_topics();
                self.groups
                    .with_serving(key, |serving| serving.coordinator.expire(moment, &topics, &mut actions));
                self.carry_out(key, actions);
            }
        }
    }

    /// Whether this shard serves the partition; it begins to where it can.
    pub(crate) fn host_groups(self: &Rc<Self>, key: PartitionKey) -> Result<(), GroupError> {
        if self.groups.is_left.get() || self.table.get(key).is_none() {
            return Err(GroupError::NotCoordinator);
        }
        if !self.groups.hosted.borrow().contains_key(&key) {
            self.begin_loading(key);
        }
        match self.groups.hosted.borrow().get(&key) {
            Some(Hosted::Serving(_)) => Ok(()),
            Some(Hosted::Loading) | None => Err(GroupError::CoordinatorLoadInProgress),
        }
    }

    fn hand_over_request(
        &self,
        serving: &mut Serving,
        request: GroupRequest,
        responder: Responder<Group>,
        actions: &mut Vec<Action>,
    ) {
        let (now, token) = (now(), self.groups.token());
        serving.waiting.insert(token, responder);
        let coordinator = &mut serving.coordinator;
        let topics = self.cluster_topics();
        let at_once = match spoil(self.planted, request, coordinator) {
            GroupRequest::Join(request) => {
                return coordinator.join(now, &request, &topics, token, actions);
            }
            GroupRequest::Sync(request) => {
                return coordinator.sync(now, &request, &topics, token, actions);
            }
            GroupRequest::Leave(request) => {
                return coordinator.leave(now, &request, &topics, token, actions);
            }
            GroupRequest::Commit(request) => {
                return coordinator.commit(now, &request, &topics, token, actions);
            }
            GroupRequest::DeleteOffsets(request) => {
                return coordinator.delete_offsets(&request, token, actions);
            }
            GroupRequest::DeleteGroups(ids) => return coordinator.delete_groups(now, &ids, token, actions),
            GroupRequest::Heartbeat(beat) => {
                GroupResponse::Heartbeat(coordinator.heartbeat(now, &beat.request()))
            }
            GroupRequest::ConsumerHeartbeat(request) => {
                return coordinator.consumer_heartbeat(now, &request, &topics, token, actions);
            }
            GroupRequest::SelectOffsets(ask) => {
                let member = ask.member.as_ref().map(MemberId::as_str);
                let checked = coordinator.check_fetch(ask.group.as_str(), member, ask.epoch);
                GroupResponse::SelectOffsets(checked.map(|()| select(coordinator, &ask)))
            }
            GroupRequest::Describe(ids) => {
                GroupResponse::Describe(ids.iter().map(|id| coordinator.describe(id.as_str())).collect())
            }
            GroupRequest::DescribeConsumers(ids) => {
                let found = ids.iter().map(|id| coordinator.describe_consumers(id.as_str()));
                GroupResponse::DescribeConsumers(found.collect())
            }
        };
        serving.respond(token, at_once);
    }

    /// A topic is gone: if it was that of the offsets its groups go with it,
    /// else they lose what they committed of it.
    pub(crate) fn forget_topic(self: &Rc<Self>, before: &MetadataImage, topic: TopicId) {
        let Some(name) = before.topic_by_id(topic).map(|topic| TopicName::from(Arc::clone(&topic.name)))
        else {
            return;
        };
        let keys: Vec<PartitionKey> = self.groups.hosted.borrow().keys().copied().collect();
        for key in keys {
            if key.topic == topic {
                self.leave_coordinator(key);
                continue;
            }
            let mut actions = Vec::new();
            let names = std::slice::from_ref(&name);
            self.groups.with_serving(key, |serving| serving.coordinator.topics_deleted(names, &mut actions));
            self.carry_out(key, actions);
        }
    }

    /// Everybody who waits is told to look for another coordinator; who asks from now on, too.
    pub(crate) fn leave(self: &Rc<Self>) {
        self.groups.is_left.set(true);
        let keys: Vec<PartitionKey> = self.groups.hosted.borrow().keys().copied().collect();
        keys.into_iter().for_each(|key| self.leave_coordinator(key));
    }

    fn leave_coordinator(&self, key: PartitionKey) {
        if let Some(serving) = self.groups.take_away(key) {
            let Serving { coordinator, mut waiting, .. } = *serving;
            let mut actions = Vec::new();
            coordinator.unload(&mut actions);
            for action in actions {
                if let Action::Reply { token, answer } = action
                    && let Some(responder) = waiting.remove(&token)
                {
                    responder.send(Ok(answer.into()));
                }
            }
        }
    }

    /// Other tasks run in between; dropping the future leaves nothing behind.
    pub(crate) async fn stats(&self) -> GroupStats {
        let mut stats = self.groups.counts();
        let keys: Vec<PartitionKey> = self.groups.hosted.borrow().keys().copied().collect();
        for key in keys {
            let mut ids = Vec::new();
            self.groups.with_serving(key, |serving| ids = serving.coordinator.group_ids());
            for some in ids.chunks(GROUPS_A_TURN) {
                self.groups.with_serving(key, |serving| {
                    let figures = some.iter().filter_map(|id| serving.coordinator.figures(id.as_str()));
                    stats.groups.extend(figures);
                });
                millrace_rt::yield_now().await;
            }
        }
        stats
    }

    /// Other tasks run between two partitions.
    pub(crate) async fn list(
        self: &Rc<Self>,
        keys: Vec<PartitionKey>,
        filter: &GroupFilter,
    ) -> ListedPartitions {
        let mut partitions = Vec::with_capacity(keys.len());
        for key in keys {
            partitions.push(self.host_groups(key).map(|()| self.groups_of(key, filter)));
            millrace_rt::yield_now().await;
        }
        partitions
    }

    fn groups_of(&self, key: PartitionKey, filter: &GroupFilter) -> Vec<ListedGroup> {
        let mut listed = Vec::new();
        self.groups.with_serving(key, |serving| listed = serving.coordinator.list(filter));
        listed
    }

    /// What always holds between two turns of tasks.
    pub(crate) fn check_whole(&self) {
        self.groups.check_whole();
    }
}

fn select(coordinator: &Coordinator, ask: &FetchOffsets) -> SelectedOffsets {
    let group = ask.group.as_str();
    let OffsetSelection::Of(wanted) = &ask.selection else { return coordinator.all_committed(group) };
    let mut selected: SelectedOffsets = Vec::new();
    for (topic, partition) in wanted {
        let Some(offset) = coordinator.committed(group, topic.as_str(), *partition) else { continue };
        match selected.last_mut() {
            Some((last, offsets)) if last == topic => offsets.push((*partition, offset)),
            _ => selected.push((topic.clone(), vec![(*partition, offset)])),
        }
    }
    selected
}
