//! `millrace group describe`.

use std::collections::{BTreeMap, BTreeSet};

use millrace_client::{ClientError, Cluster, Group, GroupMember, LogOffset, Place};
use serde_json::{Value, json};

use super::arguments::GroupDescribeArguments;
use crate::client::Done;
use crate::client::output::{self, NOTHING, Table, cell, word};

/// One partition as the group sees it.
struct Line {
    place: Place,
    committed: Option<i64>,
    /// Behind the last record.
    end: Option<i64>,
    /// Id of the member that has it.
    member: Option<String>,
}

impl Line {
    fn lag(&self) -> Option<i64> {
        Some(self.end?.saturating_sub(self.committed?))
    }
}

pub(super) fn run(cluster: &mut Cluster, arguments: &GroupDescribeArguments) -> Result<Done, ClientError> {
    let mut done = Done::All;
    let mut is_first = true;
    for id in &arguments.groups {
        let Some(group) = cluster.group(id)? else {
            output::complain(&format!("there is no group {id}"));
            done = Done::NotAll;
            continue;
        };
        let lines = lines_of(cluster, &group)?;
        match arguments.common.is_json() {
            true => output::print(&output::lines(&[object(&group, &lines)])),
            false if is_first => output::print(&text(&group, &lines)),
            false => output::print(&format!("\n{}", text(&group, &lines))),
        }
        is_first = false;
    }
    Ok(done)
}

/// Partitions that the group committed offsets of or has members for.
fn lines_of(cluster: &mut Cluster, group: &Group) -> Result<Vec<Line>, ClientError> {
    let committed = cluster.committed(&group.id)?;
    let mut owners: BTreeMap<&Place, &str> = BTreeMap::new();
    for member in &group.members {
        owners.extend(member.assignment.iter().flatten().map(|place| (place, member.id.as_str())));
    }
    let places: BTreeSet<Place> = committed.keys().chain(owners.keys().copied()).cloned().collect();
    let ends = cluster.log_offsets(&places, LogOffset::Latest)?;
    let line = |place: Place| Line {
        committed: committed.get(&place).copied(),
        end: ends.get(&place).copied().flatten(),
        member: owners.get(&place).map(|id| (*id).to_owned()),
        place,
    };
    Ok(places.into_iter().map(line).collect())
}

fn text(group: &Group, lines: &[Line]) -> String {
    let lag: i64 = lines.iter().filter_map(Line::lag).sum();
    let mut text = format!(
        "group {}: {}, type {}, assignor {}, {} member(s), lag {lag}\n",
        group.id,
        group.state,
        group.kind,
        word(&group.assignor),
        group.members.len()
    );
    if !group.members.is_empty() {
        let mut table = Table::new(&["member", "instance", "client", "host", "partitions"]);
        for member in &group.members {
            table.add(vec![
                member.id.clone(),
                word(member.instance.as_deref().unwrap_or_default()),
                word(&member.client),
                word(&member.host),
                assigned(member),
            ]);
        }
        text.push('\n');
        text.push_str(&table.text());
    }
    if !lines.is_empty() {
        let mut table = Table::new(&["topic", "partition", "committed", "end", "lag", "member"]);
        for line in lines {
            table.add(vec![
                line.place.topic.clone(),
                line.place.partition.to_string(),
                cell(line.committed),
                cell(line.end),
                cell(line.lag()),
                word(line.member.as_deref().unwrap_or_default()),
            ]);
        }
        text.push('\n');
        text.push_str(&table.text());
    }
    text
}

/// `orders 0,1 payments 3`.
fn assigned(member: &GroupMember) -> String {
    let topics = member.assignment.as_ref().map(by_topic).unwrap_or_default();
    let topic = |(topic, partitions): (&&str, &Vec<i32>)| {
        let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
        format!("{topic} {}", numbers.join(","))
    };
    match topics.is_empty() {
        true => NOTHING.to_owned(),
        false => topics.iter().map(topic).collect::<Vec<_>>().join(" "),
    }
}

fn by_topic(places: &BTreeSet<Place>) -> BTreeMap<&str, Vec<i32>> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in places {
        topics.entry(&place.topic).or_default().push(place.partition);
    }
    topics
}

fn object(group: &Group, lines: &[Line]) -> Value {
    let member = |member: &GroupMember| {
        json!({
            "id": member.id, "instance": member.instance, "client": member.client, "host": member.host,
            "assignment": member.assignment.as_ref().map(by_topic),
        })
    };
    let partition = |line: &Line| {
        json!({
            "topic": line.place.topic, "partition": line.place.partition, "committed": line.committed,
            "end": line.end, "lag": line.lag(), "member": line.member,
        })
    };
    json!({
        "group": group.id, "type": group.kind, "state": group.state, "assignor": group.assignor,
        "members": group.members.iter().map(member).collect::<Vec<_>>(),
        "partitions": lines.iter().map(partition).collect::<Vec<_>>(),
    })
}
