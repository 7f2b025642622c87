//! What a shard offers to servers of group requests: each goes to the coordinator, on whichever shard that is.

use millrace_core::base::ids::PartitionKey;
use millrace_core::coord::{
    Answer as LateAnswer, Beat, BeatRefused, CommitRequest, ConsumerBeat, DeleteOffsetsRequest, Described,
    DescribedConsumerGroup, DescribedGroup, GroupError, GroupId, HeartbeatRequest, JoinRefused, JoinRequest,
    Joined, LeaveRequest, LeftMember, RefusedOffset, SyncRequest, Synced,
};

use crate::group_ask::{FetchOffsets, GroupAnswer, GroupAsk, GroupRequest, OwnedHeartbeat, SelectedOffsets};
use crate::message::{Answer, Ask};
use crate::shard::Shard;

/// What a coordinator answers to a request that has to wait for the log.
macro_rules! late {
    ($answer:expr, $kind:ident, $refuse:expr) => {
        match $answer {
            GroupAnswer::Late(LateAnswer::$kind(answer)) => answer,
            GroupAnswer::Refused(error) => $refuse(error),
            _ => unreachable!("a request is answered in kind"),
        }
    };
}

impl Shard {
    /// The partition whose leader coordinates the group; nothing while the offsets topic does not exist.
    pub fn coordinator_of_group(&self, group: &str) -> Option<PartitionKey> {
        self.core().groups.coordinator_of(group)
    }

    /// Waits until the member's next generation has begun. Dropping the future leaves the member in its group.
    pub async fn join_group(&self, request: JoinRequest) -> Result<Joined, JoinRefused> {
        let (group, member) = (request.group.clone(), request.member.clone());
        let answer = self.ask_coordinator(group.as_str(), GroupRequest::Join(request)).await;
        late!(answer, Join, |error| Err(JoinRefused { error, member }))
    }

    /// Waits for the leader's assignment. Dropping the future changes nothing.
    pub async fn sync_group(&self, request: SyncRequest) -> Result<Synced, GroupError> {
        let group = request.group.clone();
        late!(self.ask_coordinator(group.as_str(), GroupRequest::Sync(request)).await, Sync, Err)
    }

    pub async fn heartbeat(&self, beat: HeartbeatRequest<'_>) -> Result<(), GroupError> {
        let request = GroupRequest::Heartbeat(OwnedHeartbeat::of(&beat));
        match self.ask_coordinator(beat.group, request).await {
            GroupAnswer::Heartbeat(result) => result,
            GroupAnswer::Refused(error) => Err(error),
            _ => unreachable!("a request is answered in kind"),
        }
    }

    pub async fn leave_group(&self, request: LeaveRequest) -> Result<Vec<LeftMember>, GroupError> {
        let group = request.group.clone();
        late!(self.ask_coordinator(group.as_str(), GroupRequest::Leave(request)).await, Leave, Err)
    }

    /// Answers which offsets were refused; the others are in the log. Dropping the future commits them all the same.
    pub async fn commit_offsets(&self, request: CommitRequest) -> Result<Vec<RefusedOffset>, GroupError> {
        let group = request.group.clone();
        late!(self.ask_coordinator(group.as_str(), GroupRequest::Commit(request)).await, Commit, Err)
    }

    pub async fn fetch_offsets(&self, ask: FetchOffsets) -> Result<SelectedOffsets, GroupError> {
        let group = ask.group.clone();
        match self.ask_coordinator(group.as_str(), GroupRequest::FetchOffsets(ask)).await {
            GroupAnswer::Offsets(offsets) => offsets,
            GroupAnswer::Refused(error) => Err(error),
            _ => unreachable!("a request is answered in kind"),
        }
    }

    /// Answers which partitions were refused; the others have no offset any more.
    pub async fn delete_offsets(
        &self,
        request: DeleteOffsetsRequest,
    ) -> Result<Vec<RefusedOffset>, GroupError> {
        let group = request.group.clone();
        late!(
            self.ask_coordinator(group.as_str(), GroupRequest::DeleteOffsets(request)).await,
            DeleteOffsets,
            Err
        )
    }

    /// One result for each group, not in their order.
    pub async fn delete_groups(&self, groups: Vec<GroupId>) -> Vec<(GroupId, Result<(), GroupError>)> {
        let mut results = Vec::with_capacity(groups.len());
        for (place, groups) in self.by_coordinator(groups) {
            let all = |error| groups.iter().map(|group| (group.clone(), Err(error))).collect::<Vec<_>>();
            let answer = self.ask_at(place, GroupRequest::DeleteGroups(groups.clone())).await;
            results.extend(late!(answer, DeleteGroups, all));
        }
        results
    }

    /// Answered when the log holds what it changed. Dropping the future leaves that changed.
    pub async fn consumer_heartbeat(&self, beat: ConsumerBeat) -> Result<Beat, BeatRefused> {
        let group = beat.group.clone();
        let request = GroupRequest::ConsumerHeartbeat(Box::new(beat));
        let refuse = |error| Err(BeatRefused { error, message: None });
        late!(self.ask_coordinator(group.as_str(), request).await, ConsumerHeartbeat, refuse)
    }

    /// Each group of the consumer protocol with what it is, not in their order.
    pub async fn describe_consumer_groups(
        &self,
        groups: Vec<GroupId>,
    ) -> Vec<(GroupId, Result<Described<DescribedConsumerGroup>, GroupError>)> {
        let mut described = Vec::with_capacity(groups.len());
        for (place, groups) in self.by_coordinator(groups) {
            match self.ask_at(place, GroupRequest::DescribeConsumers(groups.clone())).await {
                GroupAnswer::DescribedConsumers(found) => {
                    described.extend(groups.into_iter().zip(found.into_iter().map(Ok)));
                }
                GroupAnswer::Refused(error) => {
                    described.extend(groups.into_iter().map(|group| (group, Err(error))));
                }
                _ => unreachable!("a request is answered in kind"),
            }
        }
        described
    }

    /// Each classic group with what it is, not in their order.
    pub async fn describe_groups(
        &self,
        groups: Vec<GroupId>,
    ) -> Vec<(GroupId, Result<Described<DescribedGroup>, GroupError>)> {
        let mut described = Vec::with_capacity(groups.len());
        for (place, groups) in self.by_coordinator(groups) {
            match self.ask_at(place, GroupRequest::Describe(groups.clone())).await {
                GroupAnswer::Described(found) => {
                    described.extend(groups.into_iter().zip(found.into_iter().map(Ok)))
                }
                GroupAnswer::Refused(error) => {
                    described.extend(groups.into_iter().map(|group| (group, Err(error))));
                }
                _ => unreachable!("a request is answered in kind"),
            }
        }
        described
    }

    /// Requests that wait for a group are sent elsewhere, and no more are taken; ahead of a stop.
    pub fn leave_groups(&self) {
        self.core().leave_groups();
    }

    async fn ask_coordinator(&self, group: &str, request: GroupRequest) -> GroupAnswer {
        self.ask_at(self.coordinator_of_group(group), request).await
    }

    async fn ask_at(&self, key: Option<PartitionKey>, request: GroupRequest) -> GroupAnswer {
        let Some(coordinator) = key else { return GroupAnswer::Refused(GroupError::CoordinatorNotAvailable) };
        let owner = coordinator.owner(self.shards());
        match self.ask(owner, Ask::Group(Box::new(GroupAsk { coordinator, request }))).await {
            Answer::Group(answer) => answer,
            _ => unreachable!("what is asked of a group is answered by one"),
        }
    }

    fn by_coordinator(&self, groups: Vec<GroupId>) -> Vec<(Option<PartitionKey>, Vec<GroupId>)> {
        let mut by_place: Vec<(Option<PartitionKey>, Vec<GroupId>)> = Vec::new();
        for group in groups {
            let key = self.coordinator_of_group(group.as_str());
            match by_place.iter_mut().find(|(place, _)| *place == key) {
                Some((_, groups)) => groups.push(group),
                None => by_place.push((key, vec![group])),
            }
        }
        by_place
    }
}
