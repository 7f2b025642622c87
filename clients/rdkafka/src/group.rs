//! The commands for members of groups (see `matrix/members.py`).

use crate::member::Member;
use crate::outcome::Outcome;
use crate::records::{WAIT_MAX, places};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::Offset;
use std::collections::HashMap;

pub(crate) fn serve(
    bootstrap: &str,
    members: &mut HashMap<String, Member>,
    verb: &str,
    name: &str,
    words: &[&str],
) -> Outcome<Vec<String>> {
    if let ("join" | "assign", [group, topic, rest @ ..]) = (verb, words) {
        let member = if verb == "join" {
            let settings = rest.iter().filter_map(|word| word.split_once('=')).collect();
            Member::join(bootstrap, group, topic, &settings)?
        } else {
            Member::assign(bootstrap, group, topic, rest)?
        };
        members.insert(name.to_owned(), member);
        return Ok(Vec::new());
    }
    let member = members.get_mut(name).ok_or_else(|| format!("there is no member {name}"))?;
    match verb {
        "events" => return Ok(member.events()),
        "close" => return member.close().map(|()| Vec::new()),
        "stall" => return member.stall(words.first().ok_or("how long?")?.parse()?).map(|()| Vec::new()),
        _ => {}
    }
    let (verb, topic) = (verb.to_owned(), member.topic().to_owned());
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let answers = member.between(move |consumer| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let chosen = places(&topic, &words).map_err(|error| error.to_string())?;
        let done = match verb.as_str() {
            "commit" => consumer.commit(&chosen, CommitMode::Sync),
            "seek" => chosen
                .elements()
                .iter()
                .try_for_each(|place| consumer.seek(&topic, place.partition(), place.offset(), WAIT_MAX)),
            "pause" => consumer.pause(&chosen),
            "resume" => consumer.resume(&chosen),
            "committed" => {
                let found =
                    consumer.committed_offsets(chosen, WAIT_MAX).map_err(|error| error.to_string())?;
                return Ok(found
                    .elements()
                    .iter()
                    .map(|place| {
                        let offset = if let Offset::Offset(offset) = place.offset() { offset } else { -1 };
                        format!("{}\t{offset}\t{}", place.partition(), place.metadata())
                    })
                    .collect());
            }
            _ => return Err(format!("unknown command {verb}")),
        };
        done.map(|()| Vec::new()).map_err(|error| error.to_string())
    })?;
    Ok(answers?)
}
