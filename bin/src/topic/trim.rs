//! `millrace topic trim`: records before a position are deleted.

use std::collections::BTreeMap;

use millrace_client::{Answers, ClientError, Cluster, Place};
use serde_json::json;

use super::arguments::TrimArguments;
use crate::client::output::{self, Table};
use crate::client::{Done, Logs, Sought, places_of};

/// Where one log begins, and where it is to begin.
struct Cut {
    place: Place,
    start: i64,
    new: Sought,
}

pub(super) fn run(cluster: &mut Cluster, arguments: &TrimArguments) -> Result<Done, ClientError> {
    let cuts = match cuts(cluster, arguments)? {
        Ok(cuts) => cuts,
        Err(refusal) => {
            output::complain(&refusal);
            return Ok(Done::NotAll);
        }
    };
    for cut in &cuts {
        if let Some(note) = cut.new.note {
            output::complain(&format!("{}: {note}, so {} is taken", cut.place, cut.new.offset));
        }
    }
    let answers = match arguments.execute {
        true => {
            let before: BTreeMap<Place, i64> =
                cuts.iter().map(|cut| (cut.place.clone(), cut.new.offset)).collect();
            cluster.delete_records(&before)?
        }
        false => Answers::new(),
    };
    tell(arguments, &cuts, &answers);
    let mut done = Done::All;
    for (place, answer) in &answers {
        if let Err(refusal) = answer {
            output::complain(&format!("{place}: {refusal}"));
            done = Done::NotAll;
        }
    }
    Ok(done)
}

fn cuts(cluster: &mut Cluster, arguments: &TrimArguments) -> Result<Result<Vec<Cut>, String>, ClientError> {
    let places = match places_of(cluster, &arguments.topic, &arguments.partitions)? {
        Ok(places) => places,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let logs = Logs::read(cluster, &places, &[arguments.to])?;
    let cut = |place: Place| {
        let (start, _) = logs.served_range(&place)?;
        Ok(Cut { new: logs.seek(&place, arguments.to)?, place, start })
    };
    Ok(places.into_iter().map(cut).collect())
}

fn tell(arguments: &TrimArguments, cuts: &[Cut], answers: &Answers<i64>) {
    let begins = |cut: &Cut| match answers.get(&cut.place) {
        Some(Ok(start)) => *start,
        Some(Err(_)) => cut.start,
        None => cut.new.offset,
    };
    if arguments.common.is_json() {
        let object = |cut: &Cut| {
            json!({
                "topic": cut.place.topic, "partition": cut.place.partition, "start": cut.start,
                "new": begins(cut), "note": cut.new.note,
                "executed": answers.get(&cut.place).is_some_and(Result::is_ok),
            })
        };
        return output::print(&output::lines(&cuts.iter().map(object).collect::<Vec<_>>()));
    }
    let mut table = Table::new(&["topic", "partition", "start", "new"]);
    for cut in cuts {
        let numbers = [i64::from(cut.place.partition), cut.start, begins(cut)];
        table.add([vec![cut.place.topic.clone()], numbers.map(|it| it.to_string()).into()].concat());
    }
    output::print(&table.text());
    if !arguments.execute {
        output::complain("nothing was changed: this is what --execute would delete up to");
    }
}
