//! Requests come to the coordinators of one shard, and what these want done is done.

use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::ids::{PartitionKey, TopicId};
use millrace_core::coord::{Action, Coordinator, GroupError, MemberId, TopicName};
use millrace_core::meta::MetadataImage;
use millrace_rt::Respond;

use crate::coordinators::{Hosted, Serving, now};
use crate::group_ask::{FetchOffsets, GroupAnswer, GroupAsk, GroupRequest, OffsetSelection, SelectedOffsets};
use crate::message::Answer;
use crate::shard::Core;

impl Core {
    /// Hands a request to its coordinator; `respond` is used now, or when the coordinator says so.
    pub(crate) fn ask_group(self: &Rc<Core>, ask: GroupAsk, respond: Respond<Answer>) {
        let GroupAsk { coordinator, request } = ask;
        if let Err(error) = self.host_groups(coordinator) {
            return respond.send(Answer::Group(GroupAnswer::Refused(error)));
        }
        let mut actions = Vec::new();
        self.groups.with_serving(coordinator, |serving| {
            self.hand_over_request(serving, request, respond, &mut actions)
        });
        self.carry_out(coordinator, actions);
    }

    /// Whether this shard serves the partition; it begins to where it can.
    pub(super) fn host_groups(self: &Rc<Core>, key: PartitionKey) -> Result<(), GroupError> {
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
        respond: Respond<Answer>,
        actions: &mut Vec<Action>,
    ) {
        let (now, token) = (now(), self.groups.token());
        serving.waiting.insert(token, respond);
        let coordinator = &mut serving.coordinator;
        let topics = self.cluster_topics();
        let at_once = match self.spoil(request, coordinator) {
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
                GroupAnswer::Heartbeat(coordinator.heartbeat(now, &beat.request()))
            }
            GroupRequest::ConsumerHeartbeat(request) => {
                return coordinator.consumer_heartbeat(now, &request, &topics, token, actions);
            }
            GroupRequest::FetchOffsets(ask) => {
                let member = ask.member.as_ref().map(MemberId::as_str);
                let checked = coordinator.check_fetch(ask.group.as_str(), member, ask.epoch);
                GroupAnswer::Offsets(checked.map(|()| select(coordinator, &ask)))
            }
            GroupRequest::Describe(ids) => {
                GroupAnswer::Described(ids.iter().map(|id| coordinator.describe(id.as_str())).collect())
            }
            GroupRequest::DescribeConsumers(ids) => {
                let found = ids.iter().map(|id| coordinator.describe_consumers(id.as_str()));
                GroupAnswer::DescribedConsumers(found.collect())
            }
        };
        serving.answer(token, at_once);
    }

    /// Does what a coordinator wants done.
    pub(super) fn carry_out(self: &Rc<Core>, key: PartitionKey, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply { token, answer } => {
                    self.groups.with_serving(key, |serving| serving.answer(token, GroupAnswer::Late(answer)));
                }
                Action::Write { id, records } => self.write_records(key, id, &records),
            }
        }
    }

    /// A topic is gone: if it was that of the offsets its groups go with it, else they lose what they committed of it.
    pub(crate) fn forget_topic_in_groups(self: &Rc<Core>, before: &MetadataImage, topic: TopicId) {
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
    pub(crate) fn leave_groups(self: &Rc<Core>) {
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
                    && let Some(respond) = waiting.remove(&token)
                {
                    respond.send(Answer::Group(GroupAnswer::Late(answer)));
                }
            }
        }
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
