//! The connections of one case, the requests on them, and the answers that came.
use super::connection::{Arrived, Connection, Due, elapsed_ms, pause};
use super::normalise::Normaliser;
use crate::case::{Case, Mode, Request, Step};
use crate::codec::Protocol;
use crate::primitives::{hex_from_text, text_from_bytes};
use crate::text::{Variables, substitute};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for one answer, and for what a broker does in the background.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// Between two attempts of a request with `until`.
pub(super) const ATTEMPT_PAUSE_MS: u64 = 10;
/// Attempts that fill `ANSWER_WAIT` when each answer comes at once.
pub(super) const ATTEMPTS_MAX: u64 = 200;
/// Raw bytes carry their own correlation id, which is not checked.
pub(super) const RAW_CORRELATION_ID: i32 = 0;
pub(crate) const CLIENT_ID: &str = "parity";
/// Connections whose name begins so are made to the controller.
const CONTROLLER: &str = "controller";

/// One answer of a case: what was asked, and the answer made repeatable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) label: String,
    pub(crate) answer: Value,
}

/// The broker under test.
pub(crate) struct Target<'a> {
    pub(crate) protocol: &'a Protocol,
    /// Where it serves clients.
    pub(crate) bootstrap: &'a str,
    /// Where it serves as a controller.
    pub(crate) controller: String,
}

/// What a case knows before its first step: topics and groups carry the name `topic` and the suffix of the
/// run.
pub(crate) fn first_variables(case: &Case, topic: &str, run_suffix: &str, given_ms: i64) -> Variables {
    let mut variables = Variables::from([
        ("t".to_owned(), given_ms.into()),
        ("run".to_owned(), run_suffix.into()),
        ("v".to_owned(), case.version.unwrap_or_default().into()),
        ("topic".to_owned(), format!("{topic}{run_suffix}").into()),
        ("group".to_owned(), format!("{topic}.group{run_suffix}").into()),
    ]);
    for number in 2..=4 {
        variables.insert(format!("topic{number}"), format!("{topic}.{number}{run_suffix}").into());
        variables.insert(format!("group{number}"), format!("{topic}.group{number}{run_suffix}").into());
    }
    variables
}

pub(super) struct Session<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) connections: BTreeMap<String, Connection>,
    pub(super) variables: Variables,
    normaliser: Normaliser,
    pub(super) entries: Vec<Entry>,
}

impl<'a> Session<'a> {
    pub(super) fn new(target: &'a Target<'a>, variables: Variables, normaliser: Normaliser) -> Session<'a> {
        Session { target, connections: BTreeMap::new(), variables, normaliser, entries: Vec::new() }
    }
}

impl Session<'_> {
    pub(super) fn request(&mut self, step: &Step, request: &Request) -> Result<(), String> {
        let Some((path, wanted)) = &step.until else { return self.request_once(step, request) };
        let wanted = self.value(wanted)?;
        let first = self.entries.len();
        for attempt in 1..=ATTEMPTS_MAX {
            self.entries.truncate(first);
            self.request_once(step, request)?;
            let reached =
                self.entries.last().and_then(|e| path.find(&e.answer)).is_some_and(|v| *v == wanted);
            if reached {
                return Ok(());
            }
            if attempt < ATTEMPTS_MAX {
                pause(ATTEMPT_PAUSE_MS);
            }
        }
        Ok(())
    }

    fn request_once(&mut self, step: &Step, request: &Request) -> Result<(), String> {
        let version = self.version(&request.version)?;
        let fields = self.value(&request.fields)?;
        let client_id = self.value(step.edits.client_id.as_ref().unwrap_or(&json!(CLIENT_ID)))?;
        let target = self.target;
        let api = target.protocol.api(&request.api)?;
        let extra = hex_from_text(&step.edits.extra)?;
        let label = format!("{} {version}", request.api);
        let connection = self.connection(&step.connection)?;
        let correlation_id = connection.next_correlation_id();
        let mut body = target.protocol.encode_request(api, version, correlation_id, &client_id, &fields)?;
        body.truncate(body.len().saturating_sub(step.edits.cut));
        body.extend(extra);
        connection.send_frame(&body);
        if request.mode == Mode::OneWay {
            return Ok(());
        }
        let read_as = step.edits.read_as.clone().unwrap_or((request.api.clone(), version));
        connection.expect_answer(Some(read_as), correlation_id, label);
        if request.mode == Mode::Exchange { self.receive(step) } else { Ok(()) }
    }

    pub(super) fn receive(&mut self, step: &Step) -> Result<(), String> {
        let connection = self.connection(&step.connection)?;
        let due = connection.next_due().ok_or("no answer is due")?;
        let answer = match connection.receive(ANSWER_WAIT) {
            Arrived::Frame(frame) => read_answer(self.target.protocol, &due, &frame)?,
            Arrived::Nothing => Value::from("nothing"),
            Arrived::Closed => {
                self.connections.remove(&step.connection);
                Value::from("closed")
            }
        };
        let answer = with_time(answer, step, &due);
        self.record(step, &due.label, answer)
    }

    pub(super) fn record(&mut self, step: &Step, label: &str, mut answer: Value) -> Result<(), String> {
        for (name, path) in &step.keeps {
            let kept = path.find(&answer).ok_or_else(|| format!("{label}: no {path} in {answer}"))?;
            self.variables.insert(name.clone(), kept.clone());
        }
        for view in &step.views {
            view.with_values(|value| self.value(value))?.apply(&mut answer);
        }
        self.normaliser.normalise(&mut answer);
        let connection = match step.connection.as_str() {
            "" => String::new(),
            name => format!("@{name} "),
        };
        self.entries.push(Entry { label: format!("{connection}{label}"), answer });
        Ok(())
    }

    pub(super) fn connection(&mut self, name: &str) -> Result<&mut Connection, String> {
        if !self.connections.contains_key(name) {
            let address = match name.starts_with(CONTROLLER) {
                true => &self.target.controller,
                false => self.target.bootstrap,
            };
            let opened = Connection::open(address)?;
            self.connections.insert(name.to_owned(), opened);
        }
        self.connections.get_mut(name).ok_or_else(|| "no connection".to_owned())
    }

    /// The value with its variables replaced, and with a time on every batch that gives none.
    pub(super) fn value(&self, value: &Value) -> Result<Value, String> {
        resolve(value, &self.variables)
    }

    pub(super) fn version(&self, version: &Value) -> Result<i16, String> {
        self.value(version)?
            .as_i64()
            .map(|version| version as i16)
            .ok_or("the version is no number".to_owned())
    }
}

fn read_answer(protocol: &Protocol, due: &Due, frame: &[u8]) -> Result<Value, String> {
    let Some((name, version)) = &due.api else { return Ok(Value::from(text_from_bytes(frame))) };
    let answer = match Protocol::decode_response(protocol.api(name)?, *version, frame) {
        Ok((id, value)) if id == due.correlation_id || due.correlation_id == RAW_CORRELATION_ID => value,
        Ok((id, value)) => json!({"correlationId": id, "instead": due.correlation_id, "answer": value}),
        Err(reason) => json!({"unreadable": reason, "bytes": text_from_bytes(frame)}),
    };
    Ok(answer)
}

fn with_time(mut answer: Value, step: &Step, due: &Due) -> Value {
    if let (Some((from, to)), Value::Object(members)) = (step.took, &mut answer) {
        let ms = elapsed_ms(due);
        let in_time = (from..=to).contains(&ms);
        let took = if in_time { Value::from(format!("{from}-{to}")) } else { Value::from(ms) };
        members.insert("tookMs".to_owned(), took);
    }
    answer
}

/// The value with its variables replaced, and with the case's time on every batch that gives none.
pub(crate) fn resolve(value: &Value, variables: &Variables) -> Result<Value, String> {
    let mut value = substitute(value, variables)?;
    let time = variables.get("t").cloned().unwrap_or_default();
    stamp_batches(&mut value, &time);
    Ok(value)
}

/// Kafka deletes records older than its retention, so that batches without a time take the case's own.
fn stamp_batches(value: &mut Value, time: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Array(batches) if name == "records" => {
                        batches.iter_mut().for_each(|batch| stamp_batch(batch, time));
                    }
                    other => stamp_batches(other, time),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| stamp_batches(element, time)),
        _ => {}
    }
}

pub(super) fn stamp_batch(batch: &mut Value, time: &Value) {
    match batch {
        Value::Array(_) => *batch = json!({"records": batch.take(), "timestamp": time}),
        Value::Object(members) => _ = members.entry("timestamp").or_insert_with(|| time.clone()),
        _ => {}
    }
}
