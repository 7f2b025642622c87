//! Reads every partition whole through the protocol, when the course of the run asks for it,
//! and lets the ledger judge.

use std::rc::Rc;

use millrace_core::base::{Offset, PartitionKey};
use millrace_wire::ErrorCode;

use super::client::{Broken, Client};
use super::flow::{BrokerFlow, LOOK_AGAIN};
use super::requests::{self, TopicRef};
use crate::promises::Stored;

/// By topic id where the broker knows it, as new consumers fetch.
const FETCH_VERSION: i16 = 16;

/// Runs until the world ends.
pub(crate) async fn audit_when_asked(flow: BrokerFlow) {
    loop {
        if flow.audit_is_due() {
            match audit(&flow).await {
                Ok(()) => {
                    flow.ledger.borrow_mut().lost_power = false;
                    millrace_rt::world::log("audited".to_owned());
                    flow.audit_is_done();
                }
                Err(Broken::Ended) => {}
                Err(Broken::Nonsense(reason)) => {
                    flow.ledger.borrow_mut().violate(format!("audit: {reason}"));
                    return;
                }
            }
        }
        millrace_rt::sleep(LOOK_AGAIN).await;
    }
}

async fn audit(flow: &BrokerFlow) -> Result<(), Broken> {
    let workload = Rc::clone(&flow.ledger.borrow().workload);
    let mut client = Client::connect(flow.broker).await?;
    for topic in &workload.topics {
        match requests::create_topic(&mut client, topic).await? {
            ErrorCode::None | ErrorCode::TopicAlreadyExists => {}
            error => return Err(Broken::Nonsense(format!("{} was not created: {error:?}", topic.name))),
        }
    }
    for (topic, key) in workload.keys() {
        let reference = requests::topic_id(&mut client, topic.name).await?;
        let log = read_whole(&mut client, reference, key).await?;
        flow.ledger.borrow_mut().audit(key, topic.durability, &log);
    }
    Ok(())
}

async fn read_whole(client: &mut Client, topic: TopicRef, key: PartitionKey) -> Result<Vec<Stored>, Broken> {
    let latest = requests::latest_offset(client, topic.name, key.partition).await?;
    let mut log = Vec::new();
    let mut next = Offset::ZERO;
    while next < latest {
        let fetched = requests::fetch(client, FETCH_VERSION, topic, key.partition, next, 0).await?;
        if fetched.error != ErrorCode::None || fetched.batches.is_empty() {
            let error = fetched.error;
            return Err(Broken::Nonsense(format!(
                "{key}: {error:?}, nothing at {next}; it ends at {latest}"
            )));
        }
        for (stored, _, end) in fetched.batches {
            log.push(stored);
            next = end;
        }
    }
    Ok(log)
}
