//! A producer: sends one stream with several requests under way,
//! and again what a broken connection left unanswered.

use std::rc::Rc;
use std::time::Duration;

use millrace_rt::world;
use millrace_wire::ErrorCode;

use super::client::{Broken, Client};
use super::flow::{BrokerFlow, LOOK_AGAIN};
use super::requests::{self, TopicRef};
use crate::workload::{StreamKind, Topic};

/// As many as an idempotent producer may have under way.
const IN_FLIGHT_MAX: usize = 5;
/// Produce versions that the streams use: by name, flexible by name, and by topic id.
const VERSIONS: [i16; 4] = [3, 8, 12, 13];

/// One producer of a run.
pub(crate) struct Producer {
    pub(crate) flow: BrokerFlow,
    pub(crate) stream: usize,
}

impl Producer {
    /// Sends everything, and again what a power loss took. Runs until the world ends.
    pub(crate) async fn run(self) {
        loop {
            self.flow.until_producing().await;
            if self.is_done() {
                millrace_rt::sleep(LOOK_AGAIN).await;
                continue;
            }
            let Ok(mut client) = Client::connect(self.flow.broker).await else {
                millrace_rt::sleep(LOOK_AGAIN).await;
                continue;
            };
            if let Err(Broken::Nonsense(reason)) = self.produce(&mut client).await {
                self.flow.ledger.borrow_mut().violate(format!("stream {}: {reason}", self.stream));
                return;
            }
            self.connection_lost();
        }
    }

    fn version(&self) -> i16 {
        VERSIONS[self.stream % VERSIONS.len()]
    }

    fn is_done(&self) -> bool {
        self.flow.ledger.borrow().to_send(self.stream, 1).is_empty()
    }

    /// Uses one connection until it breaks or nothing is left to send.
    async fn produce(&self, client: &mut Client) -> Result<(), Broken> {
        let workload = Rc::clone(&self.flow.ledger.borrow().workload);
        let stream = &workload.streams[self.stream];
        let topic = topic_of(&workload.topics, stream.key.topic);
        let topic = requests::topic_id(client, topic.name).await?;
        if stream.kind == StreamKind::Idempotent {
            self.take_producer_id(client).await?;
        }
        while self.flow.is_producing() {
            let window = 1 + (millrace_rt::random_u64() as usize) % IN_FLIGHT_MAX;
            let due = self.flow.ledger.borrow().to_send(self.stream, window);
            let due = due.get(..due.len().min(window)).unwrap_or_default();
            if due.is_empty() {
                return Ok(());
            }
            self.send_window(client, topic, due).await?;
            let micros = millrace_rt::random_u64() % stream.pause_micros;
            millrace_rt::sleep(Duration::from_micros(micros)).await;
        }
        Ok(())
    }

    async fn send_window(&self, client: &mut Client, topic: TopicRef, due: &[usize]) -> Result<(), Broken> {
        let workload = Rc::clone(&self.flow.ledger.borrow().workload);
        let stream = &workload.streams[self.stream];
        for &place in due {
            self.flow.ledger.borrow_mut().sent(self.stream, place);
            let batch = stream.batches[place].bytes.clone();
            requests::send_produce(client, self.version(), topic, stream.key.partition, batch).await?;
        }
        for &place in due {
            let (error, offset) = requests::produce_answer(client, self.version()).await?;
            if error != ErrorCode::None {
                return Err(Broken::Nonsense(format!("batch {place} was refused: {error:?}")));
            }
            world::log(format!("stream {} batch {place} is acknowledged at {offset}", self.stream));
            self.flow.ledger.borrow_mut().acknowledged(self.stream, place, offset);
        }
        Ok(())
    }

    /// Ids are given once, whatever crashes. The stream's batches carry an id of their own, known beforehand.
    async fn take_producer_id(&self, client: &mut Client) -> Result<(), Broken> {
        let id = requests::producer_id(client).await?;
        let mut ledger = self.flow.ledger.borrow_mut();
        if !ledger.producer_ids.insert(id.into()) {
            ledger.violate(format!("producer id {id} was given twice"));
        }
        Ok(())
    }

    /// Without a producer id nothing tells a batch sent again from another one.
    fn connection_lost(&self) {
        let mut ledger = self.flow.ledger.borrow_mut();
        if ledger.workload.streams[self.stream].kind == StreamKind::Plain {
            ledger.give_up(self.stream);
        }
    }
}

pub(crate) fn topic_of(topics: &[Topic], id: millrace_core::base::TopicId) -> &Topic {
    match topics.iter().find(|topic| topic.id == id) {
        Some(topic) => topic,
        None => unreachable!("every stream belongs to a topic of its workload"),
    }
}
