//! `millrace group seek`: what a group without members reads next.

use std::collections::{BTreeMap, BTreeSet};

use millrace_client::{Cluster, Failure, Group, LogOffset, Place};
use serde_json::json;

use super::arguments::SeekArguments;
use super::outcome::Done;
use super::output::{self, Table, cell};
use super::target::{SeekTarget, Sought, within};

/// States in which a group has no members.
const WITHOUT_MEMBERS: [&str; 2] = ["Empty", "Dead"];

/// One partition, before and after.
struct Step {
    place: Place,
    before: Option<i64>,
    after: Sought,
}

/// What is known of the partitions that are to be moved.
struct Logs {
    committed: BTreeMap<Place, i64>,
    starts: BTreeMap<Place, Option<i64>>,
    ends: BTreeMap<Place, Option<i64>>,
    /// By the target's time; empty where none is asked for.
    times: BTreeMap<Place, Option<i64>>,
}

pub(super) fn run(cluster: &mut Cluster, arguments: &SeekArguments) -> Result<Done, Failure> {
    if let Some(group) = cluster.group(&arguments.group)?
        && !WITHOUT_MEMBERS.contains(&group.state.as_str())
    {
        output::complain(&has_members(&group));
        return Ok(Done::NotAll);
    }
    let places = match places(cluster, arguments)? {
        Ok(places) => places,
        Err(refusal) => {
            output::complain(&refusal);
            return Ok(Done::NotAll);
        }
    };
    let logs = Logs::read(cluster, arguments, &places)?;
    let mut steps = Vec::with_capacity(places.len());
    for place in places {
        match logs.step(place, arguments) {
            Ok(step) => steps.push(step),
            Err(refusal) => {
                output::complain(&refusal);
                return Ok(Done::NotAll);
            }
        }
    }
    if arguments.executes() {
        let offsets = steps.iter().map(|step| (step.place.clone(), step.after.offset)).collect();
        cluster.commit(&arguments.group, &offsets)?;
    }
    tell(arguments, &steps);
    Ok(Done::All)
}

fn has_members(group: &Group) -> String {
    format!(
        "group {} is {} and has {} member(s), whose own commits would undo this: stop them first; nothing was changed",
        group.id,
        group.state,
        group.members.len()
    )
}

/// The partitions that are meant, or why there are none.
fn places(
    cluster: &mut Cluster,
    arguments: &SeekArguments,
) -> Result<Result<BTreeSet<Place>, String>, Failure> {
    let topic = &arguments.topic;
    let leaders = cluster.leaders(&BTreeSet::from([topic.clone()]))?;
    let Some(partitions) = leaders.get(topic) else {
        return Ok(Err(format!("there is no topic {topic}")));
    };
    if let Some(unknown) = arguments.partitions.iter().find(|index| !partitions.contains_key(index)) {
        return Ok(Err(format!("topic {topic} has no partition {unknown}")));
    }
    let place = |partition: &i32| Place { topic: topic.clone(), partition: *partition };
    Ok(Ok(match arguments.partitions.is_empty() {
        true => partitions.keys().map(place).collect(),
        false => arguments.partitions.iter().map(place).collect(),
    }))
}

impl Logs {
    fn read(
        cluster: &mut Cluster,
        arguments: &SeekArguments,
        places: &BTreeSet<Place>,
    ) -> Result<Logs, Failure> {
        Ok(Logs {
            committed: cluster.committed(&arguments.group)?,
            starts: cluster.log_offsets(places, LogOffset::Earliest)?,
            ends: cluster.log_offsets(places, LogOffset::Latest)?,
            times: match arguments.to {
                Some(SeekTarget::Time(ms)) => cluster.log_offsets(places, LogOffset::At(ms))?,
                _ => BTreeMap::new(),
            },
        })
    }

    /// Where one partition goes, or why that cannot be said.
    fn step(&self, place: Place, arguments: &SeekArguments) -> Result<Step, String> {
        let of = |offsets: &BTreeMap<Place, Option<i64>>| offsets.get(&place).copied().flatten();
        let (Some(start), Some(end)) = (of(&self.starts), of(&self.ends)) else {
            return Err(format!("nobody leads partition {place}"));
        };
        let before = self.committed.get(&place).copied();
        let after = match (arguments.to, arguments.shift) {
            (Some(SeekTarget::Earliest), _) => within(start, start, end),
            (Some(SeekTarget::Latest), _) => within(end, start, end),
            (Some(SeekTarget::Offset(offset)), _) => within(offset, start, end),
            (Some(SeekTarget::Time(_)), _) => of(&self.times)
                .map_or(Sought { offset: end, note: Some("no record is so young") }, |offset| {
                    within(offset, start, end)
                }),
            (None, shift) => {
                let Some(before) = before else {
                    return Err(format!("nothing is committed of {place}: there is nothing to shift"));
                };
                within(before.saturating_add(shift.unwrap_or_default()), start, end)
            }
        };
        Ok(Step { place, before, after })
    }
}

fn tell(arguments: &SeekArguments, steps: &[Step]) {
    for step in steps {
        if let Some(note) = step.after.note {
            output::complain(&format!("{}: {note}, so {} is taken", step.place, step.after.offset));
        }
    }
    if arguments.common.json {
        let objects: Vec<_> = steps
            .iter()
            .map(|step| {
                json!({
                    "group": arguments.group, "topic": step.place.topic, "partition": step.place.partition,
                    "committed": step.before, "seek": step.after.offset, "note": step.after.note,
                    "executed": arguments.executes(),
                })
            })
            .collect();
        return output::print(&output::lines(&objects));
    }
    let mut table = Table::new(&["topic", "partition", "committed", "new"]);
    for step in steps {
        table.add(vec![
            step.place.topic.clone(),
            step.place.partition.to_string(),
            cell(step.before),
            step.after.offset.to_string(),
        ]);
    }
    output::print(&table.text());
    if !arguments.executes() {
        output::complain("nothing was changed: this is what --execute would commit");
    }
}
