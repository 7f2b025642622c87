//! Requests about the broker and its topics.

use std::borrow::Cow;
use std::time::Duration;

use millrace_client::{Connection, Effect, Frame, NewTopic, creation};
use millrace_wire::ApiKey;
use millrace_wire::messages::create_topics_response::CreateTopicsResponse;
use millrace_wire::messages::delete_topics_request::DeleteTopicsRequest;
use millrace_wire::messages::delete_topics_response::DeleteTopicsResponse;

use super::offsets::log_ends;
use crate::clock;
use crate::error::ClientError;

const TIMEOUT_MS: i32 = 60_000;
/// Kafka answers a creation before its leaders serve; it takes tens of milliseconds.
const LEADERS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Creates the topics and waits until their partitions have leaders that answer.
pub(crate) fn create_topics(connection: &mut Connection, topics: &[NewTopic]) -> Result<(), ClientError> {
    let request = creation(topics, Effect::Change);
    let version = connection.dialect().create_topics;
    let frame = Frame::new(ApiKey::CreateTopics, version, |writer| request.encode(writer, version))?;
    let codes: Vec<(String, i16)> = connection.call(&frame, |reader| {
        let response = CreateTopicsResponse::decode(reader, version)?;
        Ok(response.topics.iter().map(|topic| (topic.name.to_string(), topic.error_code)).collect())
    })?;
    for (name, code) in &codes {
        ClientError::check(&format!("CreateTopics of {name}"), *code)?;
    }
    await_leaders(connection, topics)
}

fn await_leaders(connection: &mut Connection, topics: &[NewTopic]) -> Result<(), ClientError> {
    let deadline = clock::now() + LEADERS_WITHIN;
    loop {
        let asked = topics.iter().map(|topic| (topic.name.as_str(), topic.partitions.unwrap_or_default()));
        let asked = asked.collect::<Vec<_>>();
        match log_ends(connection, &asked) {
            Ok(_) => return Ok(()),
            Err(failure) if clock::now() > deadline => return Err(failure),
            Err(_) => clock::sleep(LOOK_AGAIN),
        }
    }
}

pub(crate) fn delete_topics(connection: &mut Connection, names: &[&str]) -> Result<(), ClientError> {
    let request = DeleteTopicsRequest {
        topic_names: names.iter().map(|name| Cow::Borrowed(*name)).collect(),
        timeout_ms: TIMEOUT_MS,
        ..DeleteTopicsRequest::default()
    };
    let version = connection.dialect().delete_topics;
    let frame = Frame::new(ApiKey::DeleteTopics, version, |writer| request.encode(writer, version))?;
    let codes: Vec<i16> = connection.call(&frame, |reader| {
        let response = DeleteTopicsResponse::decode(reader, version)?;
        Ok(response.responses.iter().map(|topic| topic.error_code).collect())
    })?;
    codes.into_iter().try_for_each(|code| ClientError::check("DeleteTopics", code))
}
