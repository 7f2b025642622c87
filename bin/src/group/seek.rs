//! `millrace group seek`: what a group without members reads next.

use millrace_client::{ClientError, Cluster, Group, Place};
use serde_json::json;

use super::arguments::SeekArguments;
use crate::client::output::{self, Table, cell};
use crate::client::{Done, Logs, Sought, places_of, within};

/// States in which a group has no members.
const WITHOUT_MEMBERS: [&str; 2] = ["Empty", "Dead"];

/// One partition, before and after.
struct Step {
    place: Place,
    before: Option<i64>,
    after: Sought,
}

pub(super) fn run(cluster: &mut Cluster, arguments: &SeekArguments) -> Result<Done, ClientError> {
    if let Some(group) = cluster.group(&arguments.group)?
        && !WITHOUT_MEMBERS.contains(&group.state.as_str())
    {
        output::complain(&has_members(&group));
        return Ok(Done::NotAll);
    }
    let places = match places_of(cluster, &arguments.topic, &arguments.partitions)? {
        Ok(places) => places,
        Err(refusal) => {
            output::complain(&refusal);
            return Ok(Done::NotAll);
        }
    };
    let committed = cluster.committed(&arguments.group)?;
    let logs = Logs::read(cluster, &places, arguments.to.as_slice())?;
    let mut steps = Vec::with_capacity(places.len());
    for place in places {
        let before = committed.get(&place).copied();
        match step(&logs, place, before, arguments) {
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
        "group {} is {} and has {} member(s), whose own commits would undo this: stop them first; \
         nothing was changed",
        group.id,
        group.state,
        group.members.len()
    )
}

/// Where one partition goes, or why that cannot be said.
fn step(logs: &Logs, place: Place, before: Option<i64>, arguments: &SeekArguments) -> Result<Step, String> {
    let after = match arguments.to {
        Some(position) => logs.seek(&place, position)?,
        None => {
            let (start, end) = logs.served_range(&place)?;
            let Some(before) = before else {
                return Err(format!("nothing is committed of {place}: there is nothing to shift"));
            };
            within(before.saturating_add(arguments.shift.unwrap_or_default()), start, end)
        }
    };
    Ok(Step { place, before, after })
}

fn tell(arguments: &SeekArguments, steps: &[Step]) {
    for step in steps {
        if let Some(note) = step.after.note {
            output::complain(&format!("{}: {note}, so {} is taken", step.place, step.after.offset));
        }
    }
    if arguments.common.is_json() {
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
