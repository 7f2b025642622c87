//! What a shard offers to servers of group requests: each goes to the coordinator,
//! on whichever shard that is.

use std::rc::Rc;

use millrace_core::base::ids::PartitionKey;
use millrace_core::coord::{
    Beat, BeatRefused, CommitRequest, ConsumerBeat, DeleteOffsetsRequest, Described, DescribedConsumerGroup,
    DescribedGroup, GroupError, GroupFilter, GroupId, HeartbeatRequest, JoinRefused, JoinRequest, Joined,
    LeaveRequest, LeftMember, ListedGroup, RefusedOffset, SyncRequest, Synced,
};
use millrace_core::meta::OFFSETS_TOPIC;

use crate::api::{FetchOffsets, SelectedOffsets};
use crate::groups::host::GroupHost;
use crate::mesh::calls::{Group, ListGroups};
use crate::mesh::group_calls::{
    Commit, ConsumerHeartbeat, DeleteGroups, DeleteOffsets, Describe, DescribeConsumers, GroupCall,
    GroupRequest, GroupResponse, Heartbeat, Join, Leave, ListedPartitions, OwnedHeartbeat, SelectOffsets,
    Sync,
};
use crate::mesh::shard_mesh::ShardMesh;
use crate::mesh::table::Call;

/// Calls of one shard's connections to groups.
pub(crate) struct GroupCalls {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) host: Rc<GroupHost>,
}

impl GroupCalls {
    /// The partition whose leader coordinates the group; nothing while the offsets topic does not exist.
    pub(crate) fn coordinator_of(&self, group: &str) -> Option<PartitionKey> {
        self.host.groups.coordinator_of(group)
    }

    /// Waits until the member's next generation has begun.
    /// Dropping the future leaves the member in its group.
    pub(crate) async fn join_group(&self, request: JoinRequest) -> Result<Joined, JoinRefused> {
        let (group, member) = (request.group.clone(), request.member.clone());
        let joined = self.call_coordinator::<Join>(group.as_str(), request).await;
        joined.unwrap_or_else(|error| Err(JoinRefused { error, member }))
    }

    /// Waits for the leader's assignment. Dropping the future changes nothing.
    pub(crate) async fn sync_group(&self, request: SyncRequest) -> Result<Synced, GroupError> {
        let group = request.group.clone();
        self.call_coordinator::<Sync>(group.as_str(), request).await.flatten()
    }

    pub(crate) async fn heartbeat(&self, beat: HeartbeatRequest<'_>) -> Result<(), GroupError> {
        let request = OwnedHeartbeat::of(&beat);
        self.call_coordinator::<Heartbeat>(beat.group, request).await.flatten()
    }

    pub(crate) async fn leave_group(&self, request: LeaveRequest) -> Result<Vec<LeftMember>, GroupError> {
        let group = request.group.clone();
        self.call_coordinator::<Leave>(group.as_str(), request).await.flatten()
    }

    /// Returns which offsets were refused; the others are in the log.
    /// Dropping the future commits them all the same.
    pub(crate) async fn commit_offsets(
        &self,
        request: CommitRequest,
    ) -> Result<Vec<RefusedOffset>, GroupError> {
        let group = request.group.clone();
        self.call_coordinator::<Commit>(group.as_str(), request).await.flatten()
    }

    pub(crate) async fn fetch_offsets(&self, request: FetchOffsets) -> Result<SelectedOffsets, GroupError> {
        let group = request.group.clone();
        self.call_coordinator::<SelectOffsets>(group.as_str(), request).await.flatten()
    }

    /// Returns which partitions were refused; the others have no offset any more.
    pub(crate) async fn delete_offsets(
        &self,
        request: DeleteOffsetsRequest,
    ) -> Result<Vec<RefusedOffset>, GroupError> {
        let group = request.group.clone();
        self.call_coordinator::<DeleteOffsets>(group.as_str(), request).await.flatten()
    }

    /// One result for each group, not in their order.
    pub(crate) async fn delete_groups(&self, groups: Vec<GroupId>) -> Vec<(GroupId, Result<(), GroupError>)> {
        let mut results = Vec::with_capacity(groups.len());
        for (coordinator, groups) in self.by_coordinator(groups) {
            match self.call_at::<DeleteGroups>(coordinator, groups.clone()).await {
                Ok(deleted) => results.extend(deleted),
                Err(error) => results.extend(groups.into_iter().map(|group| (group, Err(error)))),
            }
        }
        results
    }

    /// Answered when the log holds what it changed. Dropping the future leaves that changed.
    pub(crate) async fn consumer_heartbeat(&self, beat: ConsumerBeat) -> Result<Beat, BeatRefused> {
        let group = beat.group.clone();
        let beaten = self.call_coordinator::<ConsumerHeartbeat>(group.as_str(), Box::new(beat)).await;
        beaten.unwrap_or_else(|error| Err(BeatRefused { error, message: None }))
    }

    /// Each group of the consumer protocol with what it is, not in their order.
    pub(crate) async fn describe_consumer_groups(
        &self,
        groups: Vec<GroupId>,
    ) -> Vec<(GroupId, Result<Described<DescribedConsumerGroup>, GroupError>)> {
        self.call_for_each::<DescribeConsumers, _>(groups).await
    }

    /// Each classic group with what it is, not in their order.
    pub(crate) async fn describe_groups(
        &self,
        groups: Vec<GroupId>,
    ) -> Vec<(GroupId, Result<Described<DescribedGroup>, GroupError>)> {
        self.call_for_each::<Describe, _>(groups).await
    }

    /// The groups that this node coordinates, and the first error of those that could not say.
    pub(crate) async fn list_groups(&self, filter: &GroupFilter) -> (Vec<ListedGroup>, Option<GroupError>) {
        let image = self.host.image.get();
        let keys: Vec<PartitionKey> =
            image.topic(OFFSETS_TOPIC).into_iter().flat_map(|topic| topic.keys()).collect();
        let mut partitions: ListedPartitions = keys.iter().map(|_| Err(GroupError::NotCoordinator)).collect();
        let mut asked = Vec::new();
        for (owner, places) in self.mesh.by_owner(keys.iter().copied()) {
            let owned = places.iter().map(|&place| keys[place]).collect();
            let reply = self.mesh.admit::<ListGroups>(owner, (owned, filter.clone())).await;
            asked.push((places, reply));
        }
        for (places, reply) in asked {
            for (place, listed) in places.into_iter().zip(reply.await) {
                partitions[place] = listed;
            }
        }
        let (mut groups, mut error) = (Vec::new(), None);
        for listed in partitions {
            match listed {
                Ok(listed) => groups.extend(listed),
                Err(refused) => error = error.or(Some(refused)),
            }
        }
        (groups, error)
    }

    async fn call_coordinator<C>(&self, group: &str, request: C::Request) -> Result<C::Response, GroupError>
    where
        C: Call<Requests = GroupRequest, Responses = GroupResponse>,
    {
        self.call_at::<C>(self.coordinator_of(group), request).await
    }

    async fn call_at<C>(
        &self,
        coordinator: Option<PartitionKey>,
        request: C::Request,
    ) -> Result<C::Response, GroupError>
    where
        C: Call<Requests = GroupRequest, Responses = GroupResponse>,
    {
        let coordinator = coordinator.ok_or(GroupError::CoordinatorNotAvailable)?;
        let call = Box::new(GroupCall { coordinator, request: C::request(request) });
        let outcome = self.mesh.call::<Group>(coordinator.owner(self.mesh.shards), call).await;
        outcome.map(C::take)
    }

    /// Calls each coordinator once, for all of its groups.
    async fn call_for_each<C, T>(&self, groups: Vec<GroupId>) -> Vec<(GroupId, Result<T, GroupError>)>
    where
        C: Call<
                Requests = GroupRequest,
                Responses = GroupResponse,
                Request = Vec<GroupId>,
                Response = Vec<T>,
            >,
    {
        let mut results = Vec::with_capacity(groups.len());
        for (coordinator, groups) in self.by_coordinator(groups) {
            match self.call_at::<C>(coordinator, groups.clone()).await {
                Ok(found) => results.extend(groups.into_iter().zip(found.into_iter().map(Ok))),
                Err(error) => results.extend(groups.into_iter().map(|group| (group, Err(error)))),
            }
        }
        results
    }

    fn by_coordinator(&self, groups: Vec<GroupId>) -> Vec<(Option<PartitionKey>, Vec<GroupId>)> {
        let mut by_place: Vec<(Option<PartitionKey>, Vec<GroupId>)> = Vec::new();
        for group in groups {
            let key = self.coordinator_of(group.as_str());
            match by_place.iter_mut().find(|(place, _)| *place == key) {
                Some((_, groups)) => groups.push(group),
                None => by_place.push((key, vec![group])),
            }
        }
        by_place
    }
}
