//! What is refused before anything changes, in Kafka's order and words.

use crate::coord::consumer::state::group::{ConsumerGroup, Life};
use crate::coord::consumer::state::member::ConsumerMember;
use crate::coord::consumer::state::pattern;
use crate::coord::error::GroupError;
use crate::coord::ids::{Epoch, InstanceId, MemberId};
use crate::coord::kip848::Partitions;
use crate::coord::kip848::{BeatRefused, ConsumerBeat, MemberIdOrigin};
use crate::coord::settings::GroupSettings;

/// Whether the log can hold what a member says of itself.
fn check_size(request: &ConsumerBeat, settings: &GroupSettings) -> Result<(), BeatRefused> {
    let texts = [&request.rack, &request.pattern, &request.assignor];
    let texts: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
    let topics: usize = request.topics.iter().flatten().map(|topic| topic.len() + TEXT_OVERHEAD_BYTES).sum();
    let (bytes, max) = (request.member.len() + texts + topics, settings.batch_bytes_max);
    if bytes < max {
        return Ok(());
    }
    let message = format!(
        "The subscription of {bytes} bytes does not fit into a batch of the offsets topic, which is of {max}."
    );
    Err(BeatRefused::new(GroupError::UnknownServerError, message))
}

/// Whether a request makes sense, whatever group it is for.
pub(in crate::coord) fn check_request(
    request: &ConsumerBeat,
    settings: &GroupSettings,
) -> Result<(), BeatRefused> {
    let is_blank = |text: Option<&str>| text.is_some_and(|text| text.trim().is_empty());
    let refuse = |message: &str| Err(BeatRefused::new(GroupError::InvalidRequest, message));
    if request.group.as_str().trim().is_empty() {
        return refuse("GroupId can't be empty.");
    }
    if is_blank(request.instance.as_ref().map(InstanceId::as_str)) {
        return refuse("InstanceId can't be empty.");
    }
    if is_blank(request.rack.as_deref()) {
        return refuse("RackId can't be empty.");
    }
    let must_name_itself = request.id_origin == MemberIdOrigin::Member || request.epoch != Epoch::JOINING;
    if must_name_itself && request.member.as_str().trim().is_empty() {
        return refuse("MemberId can't be empty.");
    }
    match request.epoch {
        Epoch::JOINING => check_joining(request)?,
        Epoch::LEAVING => {}
        Epoch::AWAY if request.instance.is_none() => return refuse("InstanceId can't be null."),
        Epoch::AWAY => {}
        epoch if epoch < Epoch::JOINING => return refuse("MemberEpoch is invalid."),
        _ => {}
    }
    let assignors = &settings.consumer_assignors;
    match &request.assignor {
        Some(name) if !assignors.iter().any(|assignor| assignor.name() == &**name) => {
            let served: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            let served = served.join(", ");
            let message = format!("ServerAssignor {name} is not supported. Supported assignors: {served}.");
            Err(BeatRefused::new(GroupError::UnsupportedAssignor, message))
        }
        _ => Ok(()),
    }
}

fn check_joining(request: &ConsumerBeat) -> Result<(), BeatRefused> {
    let refuse = |message: &str| Err(BeatRefused::new(GroupError::InvalidRequest, message));
    if request.rebalance_timeout_ms.is_none() {
        return refuse("RebalanceTimeoutMs must be provided in first request.");
    }
    if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return refuse("TopicPartitions must be empty when (re-)joining.");
    }
    if request.topics.is_none() && request.pattern.is_none() {
        return refuse(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        );
    }
    Ok(())
}

/// Whether a member may join; the group may not be there yet.
pub(in crate::coord) fn check_join(
    group: Option<&ConsumerGroup>,
    request: &ConsumerBeat,
    settings: &GroupSettings,
) -> Result<(), BeatRefused> {
    if let Some(group) = group {
        group.check_life()?;
        group.check_room(request, settings)?;
        group.check_release(request)?;
    }
    check_pattern(group, request)?;
    check_size(request, settings)
}

/// Whether a member that is in the group may go on.
pub(in crate::coord) fn check_member(
    group: &ConsumerGroup,
    request: &ConsumerBeat,
    settings: &GroupSettings,
) -> Result<(), BeatRefused> {
    group.check_life()?;
    let member = group.find(&request.member, request.instance.as_ref())?;
    check_epoch(member, request.epoch, request.owned.as_ref())?;
    check_pattern(Some(group), request)?;
    check_size(request, settings)
}

/// A pattern that the group knows has been checked.
fn check_pattern(group: Option<&ConsumerGroup>, request: &ConsumerBeat) -> Result<(), BeatRefused> {
    let Some(pattern) = request.pattern.as_deref().filter(|pattern| !pattern.is_empty()) else {
        return Ok(());
    };
    if group.is_some_and(|group| group.patterns.contains_key(pattern)) {
        return Ok(());
    }
    pattern::compile(pattern).map(drop).map_err(|fault| {
        let message = format!("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {fault}.");
        BeatRefused::new(GroupError::InvalidRegularExpression, message)
    })
}

/// An older epoch than the member's is that of an answer which did not come,
/// or of a member that was given up.
fn check_epoch(member: &ConsumerMember, epoch: Epoch, owned: Option<&Partitions>) -> Result<(), BeatRefused> {
    let is_lost_answer =
        epoch == member.previous_epoch && owned.is_some_and(|owned| owned.is_subset_of(&member.assigned));
    let how = match epoch.cmp(&member.epoch) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less if is_lost_answer => return Ok(()),
        std::cmp::Ordering::Less => "smaller",
        std::cmp::Ordering::Greater => "greater",
    };
    let message = format!(
        "The consumer group member has a {how} member epoch ({epoch}) than the one known by the group coordinator \
         ({}). The member must abandon all its partitions and rejoin.",
        member.epoch
    );
    Err(BeatRefused::new(GroupError::FencedMemberEpoch, message))
}

/// Beside each text of a record.
const TEXT_OVERHEAD_BYTES: usize = 3;

impl ConsumerGroup {
    fn check_life(&self) -> Result<(), BeatRefused> {
        match self.life {
            Life::Alive | Life::Downgrading => Ok(()),
            Life::Dying => Err(GroupError::CoordinatorNotAvailable.into()),
        }
    }

    /// A static member that comes back takes its own place.
    fn check_room(&self, request: &ConsumerBeat, settings: &GroupSettings) -> Result<(), BeatRefused> {
        let instance = request.instance.as_ref();
        let has_place = self.members.contains_key(&request.member)
            || instance.is_some_and(|instance| self.static_members.contains_key(instance));
        let max = settings.consumer_max_size;
        if has_place || self.members.len() < max {
            return Ok(());
        }
        let message = format!("The consumer group has reached its maximum capacity of {max} members.");
        Err(BeatRefused::new(GroupError::GroupMaxSizeReached, message))
    }

    /// Whether the instance id that a member joins with is free.
    fn check_release(&self, request: &ConsumerBeat) -> Result<(), BeatRefused> {
        let Some(instance) = &request.instance else { return Ok(()) };
        match self.instance(instance.as_str()) {
            // One of the classic protocol does not say that it goes.
            Some(owner) if owner.classic.is_some() => Ok(()),
            Some(owner) if owner.id != request.member && owner.epoch != Epoch::AWAY => {
                let (member, owner) = (&request.member, &owner.id);
                let message = format!(
                    "Static member {member} with instance id {instance} cannot join the group because the instance \
                     id is owned by {owner} member."
                );
                Err(BeatRefused::new(GroupError::UnreleasedInstanceId, message))
            }
            _ => Ok(()),
        }
    }

    /// The member of a request, by its instance id where it has one.
    pub(in crate::coord::consumer) fn find(
        &self,
        id: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<&ConsumerMember, BeatRefused> {
        let Some(instance) = instance else {
            return self.members.get(id).ok_or_else(|| {
                let message = format!("Member {id} is not a member of group {}.", self.id);
                BeatRefused::new(GroupError::UnknownMemberId, message)
            });
        };
        let owner = self.instance(instance.as_str()).ok_or_else(|| {
            BeatRefused::new(GroupError::UnknownMemberId, format!("Instance id {instance} is unknown."))
        })?;
        if owner.id == *id {
            return Ok(owner);
        }
        let owner = &owner.id;
        let message = format!("Static member {id} with instance id {instance} was fenced by member {owner}.");
        Err(BeatRefused::new(GroupError::FencedInstanceId, message))
    }
}
