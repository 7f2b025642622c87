//! Runs the steps of one case and collects the answers.
use super::bytes::assemble;
use super::connection::{Arrived, pause, wall_now_ms};
use super::normalise::Normaliser;
use super::session::{Entry, RAW_CORRELATION_ID, Session, Target, first_variables};
use crate::case::{Action, Case, Mode, Step};
use crate::primitives::{hex_text, text_from_bytes};
use serde_json::Value;
use std::time::Duration;

/// `$t` lies this far before the case's start, beyond anything that a broker's clock can show.
const GIVEN_BEFORE_MS: i64 = 10 * 60 * 1000;

/// Answers in the order of the case's steps; an error when the case itself cannot run.
pub(crate) fn run_case(target: &Target<'_>, case: &Case) -> Result<Vec<Entry>, String> {
    let started_ms = wall_now_ms();
    let given_ms = started_ms - GIVEN_BEFORE_MS;
    let run_suffix = format!("-{:06x}", started_ms & 0xff_ffff);
    let variables = first_variables(case, &case.name.replace('@', "-v"), &run_suffix, given_ms);
    let normaliser =
        Normaliser::new([target.bootstrap, &target.controller], &run_suffix, started_ms, given_ms);
    let mut session = Session::new(target, variables, normaliser);
    for (index, step) in case.steps.iter().enumerate() {
        let done = session.step(step).and_then(|()| if step.quiet { session.hush() } else { Ok(()) });
        done.map_err(|e| format!("step {}: {e}", index + 1))?;
    }
    Ok(session.entries)
}

impl Session<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Topic { name, options, id } => self.make_topic(name, options, id),
            Action::Append { topic, partition, batches } => self.append(topic, partition, batches),
            Action::Delete { name } => self.delete_topic(name),
            Action::Producer { name } => self.make_producer(name),
            Action::Embedded { name, message, version, fields } => {
                let version = self.version(version)?;
                let bytes = self.target.protocol.encode_embedded(message, version, &self.value(fields)?)?;
                self.variables.insert(name.clone(), hex_text(&bytes).into());
                Ok(())
            }
            Action::Request(request) => self.request(step, request),
            Action::Bytes { pieces, framed, mode } => {
                let bytes = assemble(pieces, &self.variables)?;
                let connection = self.connection(&step.connection)?;
                if *framed {
                    connection.send_frame(&bytes)
                } else {
                    connection.send(&bytes)
                }
                if *mode == Mode::OneWay {
                    return Ok(());
                }
                let label = if *framed { "frame" } else { "raw" };
                connection.expect_answer(step.edits.read_as.clone(), RAW_CORRELATION_ID, label.to_owned());
                if *mode == Mode::Exchange { self.receive(step) } else { Ok(()) }
            }
            Action::Receive => self.receive(step),
            Action::Silence { ms } => {
                let arrived = self.connection(&step.connection)?.receive(Duration::from_millis(*ms));
                let answer = match arrived {
                    Arrived::Nothing => Value::from("nothing"),
                    Arrived::Closed => Value::from("closed"),
                    Arrived::Frame(frame) => Value::from(text_from_bytes(&frame)),
                };
                self.record(step, "silence", answer)
            }
            Action::Pause { ms } => {
                pause(*ms);
                Ok(())
            }
            Action::Close => {
                self.connections.remove(&step.connection);
                Ok(())
            }
        }
    }

    /// Takes back the latest answer, which has to be good.
    fn hush(&mut self) -> Result<(), String> {
        let Entry { label, answer } = self.entries.pop().ok_or("no answer came")?;
        match answer.get("errorCode").map_or(Some(0), Value::as_i64) {
            Some(0) if answer.is_object() => Ok(()),
            _ => Err(format!("{label} is not good: {answer}")),
        }
    }
}
