//! The frames that the cases send, made without a broker:
//! what its answers would have told comes from Kafka's recorded ones.

use crate::case::{Action, Case, Mode, Path, Request, Step};
use crate::codec::Protocol;
use crate::files;
use crate::primitives::{hex_from_text, hex_text, text_from_uuid};
use crate::run::{CLIENT_ID, Entry, assemble, first_variables, resolve};
use crate::text::Variables;
use serde_json::{Value, json};

/// What every case calls its topic, so that a broker needs few topics to find those of all frames.
pub const SEED_TOPIC: &str = "seed";
/// All the topics that frames name as their own; their place is the number of their id.
pub const SEED_TOPICS: [&str; 4] = [SEED_TOPIC, "seed.2", "seed.3", "seed.4"];
/// `$t` of every case, so that frames are the same at any time;
/// the wall clock of a simulated broker begins there.
const GIVEN_MS: i64 = 1_700_000_000_000;
/// What a value is taken for that no recorded answer tells.
const UNTOLD: i64 = 1;

/// A request of a case, header and body, without the length in front.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The case's name, which ends in `@` and its version where it has several.
    pub case: String,
    pub frame: Vec<u8>,
}

/// The id that frames give the topic of this place in [`SEED_TOPICS`], or any other one; whoever made such a
/// topic can put its true id there.
pub fn seed_topic_id(place: u8) -> [u8; 16] {
    [0xa0 | (place & 0x0f); 16]
}

/// Every frame of every case, in their order.
pub fn seeds() -> Result<Vec<Seed>, String> {
    let protocol = Protocol::load(&files::schema_folder())?;
    let mut seeds = Vec::new();
    for subject in files::read_subjects()? {
        for case in &subject.cases {
            let recorded = subject.recording.get(&case.name).map(Vec::as_slice).unwrap_or_default();
            let mut rehearsal = Rehearsal::new(&protocol, case, recorded);
            for (index, step) in case.steps.iter().enumerate() {
                rehearsal.step(step).map_err(|e| format!("{}, step {}: {e}", case.name, index + 1))?;
            }
            let frames = rehearsal.frames.into_iter();
            seeds.extend(frames.map(|frame| Seed { case: case.name.clone(), frame }));
        }
    }
    Ok(seeds)
}

/// A case that runs against its own recording.
struct Rehearsal<'a> {
    protocol: &'a Protocol,
    variables: Variables,
    recorded: std::slice::Iter<'a, Entry>,
    correlation_id: i32,
    frames: Vec<Vec<u8>>,
}

impl<'a> Rehearsal<'a> {
    fn new(protocol: &'a Protocol, case: &Case, recorded: &'a [Entry]) -> Rehearsal<'a> {
        let variables = first_variables(case, SEED_TOPIC, "", GIVEN_MS);
        Rehearsal { protocol, variables, recorded: recorded.iter(), correlation_id: 0, frames: Vec::new() }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Topic { name, id, .. } => {
                let name = self.value(name)?;
                let place = SEED_TOPICS.iter().position(|topic| name == *topic).unwrap_or(SEED_TOPICS.len());
                let text = text_from_uuid(&seed_topic_id(u8::try_from(place).unwrap_or_default()));
                self.variables.insert(id.clone(), text.into());
            }
            Action::Append { topic, partition, batches } => {
                let partition = json!([{"index": partition, "records": batches}]);
                let data = json!([{"name": topic, "partitionData": partition}]);
                self.request("Produce", 9, &json!({"acks": -1, "timeoutMs": 5000, "topicData": data}), step)?;
            }
            Action::Producer { name } => _ = self.variables.insert(name.clone(), UNTOLD.into()),
            Action::Embedded { name, message, version, fields } => {
                let (version, fields) = (self.version(version)?, self.value(fields)?);
                let bytes = self.protocol.encode_embedded(message, version, &fields)?;
                self.variables.insert(name.clone(), hex_text(&bytes).into());
            }
            Action::Request(Request { api, version, fields, mode }) => {
                let version = self.version(version)?;
                self.request(api, version, fields, step)?;
                self.answer(*mode, step);
            }
            Action::Bytes { pieces, framed, mode } => {
                let bytes = assemble(pieces, &self.variables)?;
                if *framed {
                    self.frames.push(bytes);
                }
                self.answer(*mode, step);
            }
            Action::Receive | Action::Silence { .. } => self.answer(Mode::Exchange, step),
            Action::Delete { .. } | Action::Pause { .. } | Action::Close => {}
        }
        Ok(())
    }

    fn request(&mut self, api: &str, version: i16, fields: &Value, step: &Step) -> Result<(), String> {
        self.correlation_id += 1;
        let fields = self.value(fields)?;
        let client_id = self.value(step.edits.client_id.as_ref().unwrap_or(&json!(CLIENT_ID)))?;
        let api = self.protocol.api(api)?;
        let mut frame =
            self.protocol.encode_request(api, version, self.correlation_id, &client_id, &fields)?;
        frame.truncate(frame.len().saturating_sub(step.edits.cut));
        frame.extend(hex_from_text(&step.edits.extra)?);
        self.frames.push(frame);
        Ok(())
    }

    /// Keeps what the step wants of the answer that is recorded for it;
    /// what is prepared quietly is not recorded.
    fn answer(&mut self, mode: Mode, step: &Step) {
        if mode != Mode::Exchange {
            return;
        }
        let recorded = if step.quiet { None } else { self.recorded.next() };
        for (name, path) in &step.keeps {
            let found = recorded.and_then(|entry| path.find(&entry.answer));
            self.variables.insert(name.clone(), found.map_or_else(|| untold(path), original));
        }
    }

    fn value(&self, value: &Value) -> Result<Value, String> {
        resolve(value, &self.variables)
    }

    fn version(&self, version: &Value) -> Result<i16, String> {
        let version = self.value(version)?;
        version.as_i64().map(|version| version as i16).ok_or("the version is no number".to_owned())
    }
}

/// A value of the type that the path leads to, where nothing is recorded.
fn untold(path: &Path) -> Value {
    let path = path.to_string();
    match path.rsplit('.').next() {
        Some("topicId") => text_from_uuid(&seed_topic_id(0)).into(),
        Some("memberId" | "leader" | "protocolName") => "member".into(),
        _ => UNTOLD.into(),
    }
}

/// A value that may have stood where a recording has a placeholder.
fn original(recorded: &Value) -> Value {
    let Some(text) = recorded.as_str() else { return recorded.clone() };
    let Some((kind, rest)) = text.strip_prefix('<').and_then(|text| text.split_once('>')) else {
        return recorded.clone();
    };
    let (name, number) = kind.rsplit_once('-').unwrap_or((kind, ""));
    let number: i64 = number.parse().unwrap_or(UNTOLD);
    match name {
        _ if !rest.is_empty() => recorded.clone(),
        "topic-id" => text_from_uuid(&seed_topic_id(number as u8 - 1)).into(),
        "producer" | "session" | "epoch" => number.into(),
        "time" | "t" => GIVEN_MS.into(),
        _ => match kind.strip_prefix("t+").and_then(|later| later.parse::<i64>().ok()) {
            Some(later) => (GIVEN_MS + later).into(),
            None => recorded.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_values_again() {
        let id = text_from_uuid(&seed_topic_id(1));
        for (recorded, expect) in [
            (json!("<topic-id-2>"), json!(id)),
            (json!("<producer-3>"), json!(3)),
            (json!("<t+5>"), json!(GIVEN_MS + 5)),
            (json!("<time>"), json!(GIVEN_MS)),
            (json!("one-<member-1>"), json!("one-<member-1>")),
            (json!(7), json!(7)),
        ] {
            assert_eq!(original(&recorded), expect);
        }
    }

    #[test]
    fn every_case_can_be_rehearsed() {
        let seeds = seeds().unwrap();
        let cases: std::collections::BTreeSet<&str> = seeds.iter().map(|seed| seed.case.as_str()).collect();
        let all = files::read_subjects().unwrap().iter().map(|subject| subject.cases.len()).sum::<usize>();
        // The others send raw bytes alone.
        assert!(cases.len() * 100 > all * 98, "{} of {all} cases have frames", cases.len());
    }
}
