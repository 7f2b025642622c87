//! Steps that prepare a case: topics, records, producer ids. Their answers are not recorded, only required.
use super::connection::{Arrived, pause};
use super::normalise::Normaliser;
use super::session::{ATTEMPT_PAUSE_MS, ATTEMPTS_MAX, Session, Target, stamp_batch};
use crate::codec::Protocol;
use crate::text::Variables;
use serde_json::{Value, json};
use std::time::Duration;

/// Connection of its own, so that a case's connections see nothing but the case.
const CONNECTION: &str = "setup";
/// Longest wait for an answer that is no part of the case: a busy machine must not fail it.
const SETUP_WAIT: Duration = Duration::from_secs(20);
const UNKNOWN_TOPIC_OR_PARTITION: i64 = 3;
/// Kafka's answer while it fetches its first block of producer ids.
const COORDINATOR_LOAD_IN_PROGRESS: i64 = 14;

impl<'a> Target<'a> {
    /// Asks the broker where its controller is.
    pub(crate) fn find(protocol: &'a Protocol, bootstrap: &'a str) -> Result<Target<'a>, String> {
        let target = Target { protocol, bootstrap, controller: String::new() };
        let normaliser = Normaliser::new([bootstrap, ""], "", 0, 0);
        let controller = Session::new(&target, Variables::new(), normaliser).find_controller()?;
        Ok(Target { controller, ..target })
    }
}

impl Session<'_> {
    /// The first listener of the controller that the broker tells of; empty where there is none.
    fn find_controller(&mut self) -> Result<String, String> {
        let log = json!({"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]});
        let answer = self.call("DescribeQuorum", 2, &json!({"topics": [log]}))?;
        let Some(listener) = answer.pointer("/nodes/0/listeners/0") else { return Ok(String::new()) };
        let host = listener["host"].as_str().ok_or("a listener without a host")?;
        let port = listener["port"].as_u64().ok_or("a listener without a port")?;
        Ok(format!("{host}:{port}"))
    }

    pub(super) fn make_topic(&mut self, name: &Value, options: &Value, id: &str) -> Result<(), String> {
        let name = self.value(name)?;
        let options = self.value(options)?;
        let partitions = options.get("partitions").and_then(Value::as_i64).unwrap_or(1);
        let configs: Vec<Value> = options
            .get("configs")
            .and_then(Value::as_object)
            .map(|configs| configs.iter().map(|(k, v)| json!({"name": k, "value": plain(v)})).collect())
            .unwrap_or_default();
        let topic =
            json!({"name": name, "numPartitions": partitions, "replicationFactor": 1, "configs": configs});
        let answer = self.call("CreateTopics", 7, &json!({"topics": [topic], "timeoutMs": 5000}))?;
        require(&answer, &["topics"])?;
        let created = answer.pointer("/topics/0/topicId").cloned().ok_or("no topic id")?;
        self.variables.insert(id.to_owned(), created);
        self.await_topic(&name, |topic| {
            let leads =
                |p: &Value| p["errorCode"] == 0 && p["leaderId"].as_i64().is_some_and(|leader| leader >= 0);
            let listed = topic["partitions"].as_array().is_some_and(|list| list.len() as i64 == partitions);
            topic["errorCode"] == 0
                && listed
                && topic["partitions"].as_array().is_some_and(|l| l.iter().all(leads))
        })?;
        self.await_leaders(&name, partitions)
    }

    /// Kafka names leaders in its metadata a moment before they serve.
    fn await_leaders(&mut self, name: &Value, partitions: i64) -> Result<(), String> {
        let asked: Vec<Value> =
            (0..partitions).map(|p| json!({"partitionIndex": p, "timestamp": -1})).collect();
        let asked = json!({"replicaId": -1, "topics": [{"name": name, "partitions": asked}]});
        for _ in 0..ATTEMPTS_MAX {
            let answer = self.call("ListOffsets", 5, &asked)?;
            if require(&answer, &["topics", "partitions"]).is_ok() {
                return Ok(());
            }
            pause(ATTEMPT_PAUSE_MS);
        }
        Err(format!("{name} has no serving leader"))
    }

    pub(super) fn append(&mut self, topic: &Value, partition: &Value, batches: &Value) -> Result<(), String> {
        let (topic, partition) = (self.value(topic)?, self.value(partition)?);
        let time = self.value(&json!("$t"))?;
        let batches = self.value(batches)?;
        for batch in batches.as_array().ok_or("batches are no list")? {
            let mut batch = batch.clone();
            stamp_batch(&mut batch, &time);
            let data = json!([{"name": topic, "partitionData": [{"index": partition, "records": [batch]}]}]);
            let answer =
                self.call("Produce", 9, &json!({"acks": -1, "timeoutMs": 5000, "topicData": data}))?;
            require(&answer, &["responses", "partitionResponses"])?;
        }
        Ok(())
    }

    pub(super) fn delete_topic(&mut self, name: &Value) -> Result<(), String> {
        let name = self.value(name)?;
        let answer = self.call("DeleteTopics", 5, &json!({"topicNames": [name], "timeoutMs": 5000}))?;
        require(&answer, &["responses"])?;
        self.await_topic(&name, |topic| topic["errorCode"] == UNKNOWN_TOPIC_OR_PARTITION)
    }

    pub(super) fn make_producer(&mut self, name: &str) -> Result<(), String> {
        let asked = json!({"transactionalId": null, "transactionTimeoutMs": 60000});
        for _ in 0..ATTEMPTS_MAX {
            let answer = self.call("InitProducerId", 4, &asked)?;
            if answer["errorCode"] != COORDINATOR_LOAD_IN_PROGRESS {
                require(&answer, &[])?;
                self.variables.insert(name.to_owned(), answer["producerId"].clone());
                return Ok(());
            }
            pause(ATTEMPT_PAUSE_MS);
        }
        Err("no producer id is given out".to_owned())
    }

    fn await_topic(&mut self, name: &Value, is_there: impl Fn(&Value) -> bool) -> Result<(), String> {
        let asked = json!({"topics": [{"name": name}], "allowAutoTopicCreation": false});
        for _ in 0..ATTEMPTS_MAX {
            let answer = self.call("Metadata", 9, &asked)?;
            if answer.pointer("/topics/0").is_some_and(&is_there) {
                return Ok(());
            }
            pause(ATTEMPT_PAUSE_MS);
        }
        Err(format!("{name} did not reach the state that the case needs"))
    }

    fn call(&mut self, name: &str, version: i16, fields: &Value) -> Result<Value, String> {
        let target = self.target;
        let api = target.protocol.api(name)?;
        let connection = self.connection(CONNECTION)?;
        let correlation_id = connection.next_correlation_id();
        let body =
            target.protocol.encode_request(api, version, correlation_id, &json!(CONNECTION), fields)?;
        connection.send_frame(&body);
        match connection.receive(SETUP_WAIT) {
            Arrived::Frame(frame) => Ok(Protocol::decode_response(api, version, &frame)?.1),
            Arrived::Closed => Err(format!("{name} {version}: closed")),
            Arrived::Nothing => Err(format!("{name} {version}: no answer")),
        }
    }
}

/// Every error code at the end of nested lists is 0.
fn require(answer: &Value, lists: &[&str]) -> Result<(), String> {
    if let Some((list, rest)) = lists.split_first() {
        let elements = answer[*list].as_array().ok_or_else(|| format!("no {list} in {answer}"))?;
        return elements.iter().try_for_each(|element| require(element, rest));
    }
    match answer["errorCode"].as_i64() {
        Some(0) => Ok(()),
        _ => Err(format!("preparation failed: {answer}")),
    }
}

/// A config's value as text: `1000` and `true` need no quotes in a case.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Null => value.clone(),
        other => Value::from(other.to_string()),
    }
}
