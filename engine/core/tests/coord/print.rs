//! Answers, records and groups as scripts show them.

use bytes::Bytes;
use std::fmt::Display;

use millrace_core::base::PartitionKey;
use millrace_core::coord::{
    Answer, Beat, CommittedOffset, ConsumerRecord, CoordinatorRecord, DescribedConsumerGroup, DescribedGroup,
    GroupMetadata, Joined, LeftMember, MemberProtocol, Partitions, RefusedOffset, Synced,
    records::ConsumerProtocolAssignment,
};

use crate::stage::EPOCH_MS;

pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Join(Ok(answer)) => joined(answer),
        Answer::Join(Err(refused)) => format!("{:?} {}", refused.error, name(refused.member.as_str())),
        Answer::Sync(Ok(answer)) => synced(answer),
        Answer::Leave(Ok(members)) => join(members.iter().map(left)),
        Answer::Commit(Ok(refused)) => format!("committed{}", refusals(refused)),
        Answer::DeleteOffsets(Ok(refused)) => format!("deleted{}", refusals(refused)),
        Answer::DeleteGroups(groups) => join(groups.iter().map(|(group, result)| match result {
            Ok(()) => format!("{group} deleted"),
            Err(error) => format!("{group} {error:?}"),
        })),
        Answer::ConsumerHeartbeat(Ok(beat)) => self::beat(beat),
        Answer::ConsumerHeartbeat(Err(refused)) => {
            let message = refused.message.as_ref().map(|message| format!(" {message}")).unwrap_or_default();
            format!("{:?}{message}", refused.error)
        }
        Answer::Sync(Err(error))
        | Answer::Leave(Err(error))
        | Answer::Commit(Err(error))
        | Answer::DeleteOffsets(Err(error)) => format!("{error:?}"),
    }
}

fn beat(beat: &Beat) -> String {
    let assignment = beat.assignment.as_ref().map(|owned| format!(" owns [{}]", partitions(owned)));
    let assignment = assignment.unwrap_or_default();
    // What it is mostly, and of those that leave.
    let interval = if [0, 5000].contains(&beat.interval_ms) {
        String::new()
    } else {
        format!(" every {}", beat.interval_ms)
    };
    format!("{} epoch {}{assignment}{interval}", beat.member, beat.epoch)
}

/// `t0 t1`, and behind an `@` since when it is held, where that is said.
pub(crate) fn partitions(partitions: &Partitions) -> String {
    let one = |key: PartitionKey| {
        let since = partitions.since(key).filter(|since| since.0 > 0);
        let since = since.map(|since| format!("@{since}")).unwrap_or_default();
        format!("{}{}{since}", char::from(key.topic.0[0]), key.partition)
    };
    partitions.keys().map(one).collect::<Vec<_>>().join(" ")
}

/// A group of the consumer protocol, a line for each member.
pub(crate) fn consumers(group: &DescribedConsumerGroup) -> Vec<String> {
    let head = format!(
        "{} epoch {} assigned {} by {}",
        group.state.name(),
        group.epoch,
        group.assigned_epoch,
        group.assignor
    );
    let members = group.members.iter().map(|member| {
        let instance = member.instance.as_ref().map(|instance| format!("@{instance}")).unwrap_or_default();
        let topics = member.topics.join(" ");
        let pattern = member.pattern.as_ref().map(|pattern| format!(" /{pattern}/")).unwrap_or_default();
        let classic = if member.protocol == MemberProtocol::Classic { " classic" } else { "" };
        format!(
            "{}{instance}{classic} epoch {} of [{topics}{pattern}] owns [{}] target [{}]",
            member.member,
            member.epoch,
            partitions(&member.assigned),
            partitions(&member.target)
        )
    });
    std::iter::once(head).chain(members).collect()
}

fn consumer_record(record: &ConsumerRecord) -> String {
    let gone = || "gone".to_owned();
    match record {
        ConsumerRecord::Epoch(value) => {
            format!("epoch {}", value.map_or_else(gone, |value| value.epoch.to_string()))
        }
        ConsumerRecord::TargetEpoch(value) => {
            format!("target epoch {}", value.map_or_else(gone, |value| value.epoch.to_string()))
        }
        ConsumerRecord::Member(id, value) => {
            let shown = value.as_ref().map_or_else(gone, |value| {
                let classic = value.classic.as_ref().map(|classic| {
                    let protocols = classic.protocols.iter().map(|offered| offered.name.to_string());
                    format!(" offers {} within {}", join(protocols), classic.session_timeout_ms)
                });
                format!("of [{}]{}", value.topics.join(" "), classic.unwrap_or_default())
            });
            format!("member {id} {shown}")
        }
        ConsumerRecord::Pattern(pattern, value) => {
            let shown = value.as_ref().map_or_else(gone, |value| format!("of [{}]", value.topics.join(" ")));
            format!("pattern /{pattern}/ {shown}")
        }
        ConsumerRecord::Target(id, value) => {
            format!(
                "target {id} {}",
                value.as_ref().map_or_else(gone, |value| format!("[{}]", partitions(value)))
            )
        }
        ConsumerRecord::Current(id, value) => {
            let shown = value.as_ref().map(|value| {
                let (owned, revoking) = (partitions(&value.assigned), partitions(&value.revoking));
                let (epoch, before) = (value.epoch, value.previous_epoch);
                format!("{:?} {epoch} after {before} owns [{owned}] revokes [{revoking}]", value.state)
            });
            format!("current {id} {}", shown.unwrap_or_else(gone))
        }
    }
}

fn joined(answer: &Joined) -> String {
    let members = answer.members.iter().map(|member| {
        let instance = member.instance.as_ref().map(|instance| format!("@{instance}")).unwrap_or_default();
        format!("{}{instance}={}", member.member, bytes(&member.metadata))
    });
    let skips = if answer.skip_assignment { " skips" } else { "" };
    let members = join(members);
    let leads = if members.is_empty() { String::new() } else { format!(" leads {members}") };
    format!(
        "joined {} generation {} {} {} leader {}{skips}{leads}",
        name(answer.member.as_str()),
        answer.generation,
        option(answer.protocol_type.as_ref()),
        option(answer.protocol.as_ref()),
        option(answer.leader.as_ref()),
    )
}

fn synced(answer: &Synced) -> String {
    let (protocol_type, protocol) = (option(answer.protocol_type.as_ref()), option(answer.protocol.as_ref()));
    format!("synced {} {protocol_type} {protocol}", assignment(&answer.assignment))
}

fn left(member: &LeftMember) -> String {
    let instance = member.instance.as_ref().map(|instance| format!("@{instance}")).unwrap_or_default();
    let result = member.result.map_or_else(|error| format!("{error:?}"), |()| "left".to_owned());
    format!("{}{instance} {result}", name(member.member.as_str()))
}

fn refusals(refused: &[RefusedOffset]) -> String {
    refused
        .iter()
        .map(|refused| format!(", {}-{} {:?}", refused.topic, refused.partition, refused.error))
        .collect()
}

pub(crate) fn record(record: &CoordinatorRecord) -> String {
    match record {
        CoordinatorRecord::Group { group, value: None } => format!("group {group} gone"),
        CoordinatorRecord::Group { group, value: Some(value) } => {
            format!("group {group} {}", metadata(value))
        }
        CoordinatorRecord::Consumer { group, record } => format!("{group} {}", consumer_record(record)),
        CoordinatorRecord::Offset { topic, partition, value: None, .. } => {
            format!("offset {topic}-{partition} gone")
        }
        CoordinatorRecord::Offset { topic, partition, value: Some(value), .. } => {
            format!("offset {topic}-{partition} {}", offset(value))
        }
    }
}

fn metadata(value: &GroupMetadata) -> String {
    let members = value.members.iter().map(|member| {
        let instance = member.instance.as_ref().map(|instance| format!("@{instance}")).unwrap_or_default();
        format!("{}{instance}={}>{}", member.id, bytes(&member.subscription), assignment(&member.assignment))
    });
    format!(
        "generation {} {} {} leader {} since {} members [{}]",
        value.generation,
        option(value.protocol_type.as_ref()),
        option(value.protocol.as_ref()),
        option(value.leader.as_ref()),
        value.state_timestamp.0 - EPOCH_MS,
        join(members)
    )
}

pub(crate) fn offset(value: &CommittedOffset) -> String {
    let epoch =
        if value.leader_epoch.0 < 0 { String::new() } else { format!(" epoch {}", value.leader_epoch) };
    let text = value.metadata.as_ref().map(|text| format!(" {text:?}")).unwrap_or_default();
    let expires = value.expire_timestamp.map(|at| format!(" until {}", at.0 - EPOCH_MS)).unwrap_or_default();
    format!("{}{epoch}{text} at {}{expires}", value.offset, value.commit_timestamp.0 - EPOCH_MS)
}

pub(crate) fn group(group: &DescribedGroup) -> String {
    let members = group.members.iter().map(|member| {
        let instance = member.instance.as_ref().map(|instance| format!("@{instance}")).unwrap_or_default();
        format!("{}{instance}={}>{}", member.member, bytes(&member.metadata), assignment(&member.assignment))
    });
    format!(
        "{} generation {} {} {} leader {} [{}]",
        group.state.name(),
        group.generation,
        option(group.protocol_type.as_ref()),
        option(group.protocol.as_ref()),
        option(group.leader.as_ref()),
        join(members)
    )
}

/// `parts(t0 t1)v3` of an assignment of consumers, else its text.
fn assignment(assignment: &Bytes) -> String {
    let version = assignment.first_chunk().map(|version| i16::from_be_bytes(*version));
    match (ConsumerProtocolAssignment::parse(assignment), version) {
        (Ok(said), Some(version)) => {
            let topics = said.assigned_partitions.iter();
            let parts =
                topics.flat_map(|it| it.partitions.iter().map(|index| format!("{}{index}", it.topic)));
            format!("parts({})v{version}", parts.collect::<Vec<_>>().join(" "))
        }
        _ => bytes(assignment),
    }
}

fn bytes(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

fn option(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn name(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
