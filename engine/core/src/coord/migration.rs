//! Groups with members go from one protocol to the other (KIP-848, online migration).

use std::sync::Arc;

use super::classic::{ClassicGroup, Member, SyncDuty, Tenure};
use super::consumer::{ConsumerGroup, ConsumerMember};
use super::deadlines::Timer;
use super::embedded::{TopicNames, Unreadable, assigned, assignment_bytes, subscribed};
use super::error::GroupError;
use super::ids::{Epoch, Generation, GroupId, Now};
use super::kip848::{BeatRefused, ClassicMetadata, Partitions, Topics};
use super::record::CoordinatorRecord;
use super::request::Protocol;
use super::settings::GroupSettings;

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

/// Why a classic group stays what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    Policy,
    ProtocolType,
    Size,
    /// Its records fit into no batch.
    Bytes,
    Unreadable(Unreadable),
}

impl Hindrance {
    /// In Kafka's words.
    fn refusal(self, group: &GroupId) -> BeatRefused {
        let why = match self {
            Hindrance::Policy => "online upgrade is disabled.",
            Hindrance::ProtocolType => "the group does not use the consumer embedded protocol.",
            Hindrance::Size => "the group size exceeds the consumer group maximum size.",
            Hindrance::Bytes => "its members do not fit into a batch of the offsets topic.",
            Hindrance::Unreadable(Unreadable::Malformed) => "the embedded consumer protocol is malformed.",
            Hindrance::Unreadable(Unreadable::HasUserData) => {
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default \
                 assignor before re-attempting the upgrade."
            }
        };
        let message = format!("Cannot upgrade classic group {group} to consumer group because {why}");
        let error = match self {
            Hindrance::Bytes => GroupError::UnknownServerError,
            _ => GroupError::GroupIdNotFound,
        };
        BeatRefused::new(error, message)
    }
}

/// The consumer group that a classic group with members becomes: its members go on in the classic protocol,
/// with what they were last assigned, and what they said that they owned and nobody has been assigned since,
/// at its generation for an epoch. Nothing has changed yet.
pub(super) fn upgraded(
    id: &GroupId,
    classic: &ClassicGroup,
    topics: &dyn Topics,
    settings: &GroupSettings,
) -> Result<ConsumerGroup, BeatRefused> {
    check_upgrade(classic, settings).map_err(|hindrance| hindrance.refusal(id))?;
    let protocol: &str = classic.protocol().map_or("", |name| name);
    let mut group = ConsumerGroup::resuming(id.clone(), Epoch(classic.generation().0));
    let since = group.epoch();
    let mut owned = Vec::new();
    for member in classic.members() {
        let (taken, said) = consumer_member(member, protocol, topics, since)
            .map_err(|unreadable| Hindrance::Unreadable(unreadable).refusal(id))?;
        group.take_over(taken);
        owned.push((&member.id, said));
    }
    for (member, said) in owned {
        group.may_still_own(member, &said);
    }
    check_bytes(&group, settings).map_err(|hindrance| hindrance.refusal(id))?;
    Ok(group)
}

fn check_upgrade(classic: &ClassicGroup, settings: &GroupSettings) -> Result<(), Hindrance> {
    if !settings.consumer_migration.has_upgrades() {
        return Err(Hindrance::Policy);
    }
    if classic.protocol_type().is_none_or(|name| &**name != CONSUMER) {
        return Err(Hindrance::ProtocolType);
    }
    if classic.members().len() > settings.consumer_max_size {
        return Err(Hindrance::Size);
    }
    Ok(())
}

/// Whether its records, and those of the member that joins, are one batch: a crash between two would leave
/// members without what they own.
fn check_bytes(group: &ConsumerGroup, settings: &GroupSettings) -> Result<(), Hindrance> {
    let members = group.members().len().max(1);
    let bytes = CoordinatorRecord::encoded_bytes(&group.clone().take_records());
    let with_another = bytes.saturating_add(2 * bytes.div_ceil(members));
    if with_another > settings.batch_bytes_max { Err(Hindrance::Bytes) } else { Ok(()) }
}

/// The member, and what it said that it owned.
fn consumer_member(
    member: &Member,
    protocol: &str,
    topics: &dyn Topics,
    since: Epoch,
) -> Result<(ConsumerMember, Partitions), Unreadable> {
    // A group that has never had a generation has no protocol either; then the member's first counts.
    let of_group = member.protocols.iter().find(|offered| &*offered.name == protocol);
    let offered = of_group.or(member.protocols.first()).ok_or(Unreadable::Malformed)?;
    let said = subscribed(&offered.metadata, topics).ok_or(Unreadable::Malformed)?;
    let taken = ConsumerMember {
        instance: member.instance.clone(),
        rack: said.rack,
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        rebalance_timeout_ms: member.rebalance_timeout_ms.max(0),
        topics: said.topics,
        classic: Some(Box::new(ClassicMetadata {
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone(),
        })),
        assigned: assigned(&member.assignment, topics, since)?,
        ..ConsumerMember::new(member.id.clone())
    };
    Ok((taken, said.owned))
}

/// The classic group that a consumer group becomes whose members all speak the classic protocol: stable, with
/// the group's epoch for a generation, and with what its members hold for an assignment. Where that is not
/// their target they are rebalanced at once, and should the group turn again before they are,
/// nobody gets what another still uses.
pub(super) fn downgraded(consumer: &ConsumerGroup, topics: &dyn Topics, now: Now) -> ClassicGroup {
    let members = consumer.members().filter_map(classic_member).collect();
    let generation = Generation(consumer.epoch().0);
    let mut group = ClassicGroup::of_members(consumer.id().clone(), CONSUMER, generation, members, now);
    let subscribed = consumer.subscribed_names();
    let names: TopicNames<'_> =
        subscribed.into_iter().filter_map(|name| Some((topics.topic(name)?.id, name))).collect();
    group.set_assignments(|member, metadata| {
        assignment_bytes(&consumer.held_by(&member.id), &names, metadata)
    });
    group
}

/// `None` of a member of the consumer protocol.
fn classic_member(member: &ConsumerMember) -> Option<Member> {
    let classic = member.classic.as_deref()?;
    let protocols: Vec<Protocol> = classic.protocols.clone();
    Some(Member {
        id: member.id.clone(),
        instance: member.instance.clone(),
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        session_timeout_ms: classic.session_timeout_ms,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        protocols,
        assignment: bytes::Bytes::new(),
        tenure: Tenure::Settled,
        sync_duty: SyncDuty::Done,
        joining: None,
        syncing: None,
        session: Timer::default(),
        counted: 0,
    })
}
