//! A consumer by assignment: follows one partition for the whole run, over every crash of the broker.

use std::rc::Rc;

use millrace_core::base::{Offset, PartitionKey};
use millrace_wire::ErrorCode;

use super::client::{Broken, Client};
use super::flow::{BrokerFlow, LOOK_AGAIN};
use super::producer::topic_of;
use super::requests::{self, FetchedRecords};

/// How long a fetch may wait for data.
const MAX_WAIT_MS: i32 = 20;
/// Fetch versions that consumers use: by name, with sessions refused, by topic id.
const VERSIONS: [i16; 4] = [4, 11, 12, 16];

/// One consumer of a run. Its position and what it saw last outlive the broker.
pub(crate) struct Consumer {
    flow: BrokerFlow,
    key: PartitionKey,
    next: Offset,
    high_watermark: Offset,
    power_losses: u32,
}

impl Consumer {
    pub(crate) fn new(flow: BrokerFlow, key: PartitionKey) -> Consumer {
        Consumer { flow, key, next: Offset::ZERO, high_watermark: Offset::ZERO, power_losses: 0 }
    }

    /// Runs until the world ends.
    pub(crate) async fn run(mut self) {
        loop {
            if let Ok(mut client) = Client::connect(self.flow.broker).await
                && let Err(Broken::Nonsense(reason)) = self.consume(&mut client).await
            {
                self.flow.ledger.borrow_mut().violate(format!("consumer of {}: {reason}", self.key));
                return;
            }
            millrace_rt::sleep(LOOK_AGAIN).await;
        }
    }

    async fn consume(&mut self, client: &mut Client) -> Result<(), Broken> {
        let workload = Rc::clone(&self.flow.ledger.borrow().workload);
        let topic = topic_of(&workload.topics, self.key.topic);
        // Before the first audit has created the topics there is nothing to follow.
        self.flow.until_producing().await;
        let reference = requests::topic_id(client, topic.name).await?;
        let version = VERSIONS[self.key.partition.0.unsigned_abs() as usize % VERSIONS.len()];
        self.forget_what_may_be_lost(requests::keeps_all(topic.durability));
        loop {
            let partition = self.key.partition;
            let fetched =
                requests::fetch(client, version, reference, partition, self.next, MAX_WAIT_MS).await?;
            self.judge(&fetched)?;
        }
    }

    /// After a power loss a `process` topic may end earlier than it did.
    fn forget_what_may_be_lost(&mut self, keeps_all: bool) {
        let losses = self.flow.power_losses();
        if losses != self.power_losses && !keeps_all {
            (self.next, self.high_watermark) = (Offset::ZERO, Offset::ZERO);
        }
        self.power_losses = losses;
    }

    fn judge(&mut self, fetched: &FetchedRecords) -> Result<(), Broken> {
        if fetched.error != ErrorCode::None {
            return Err(Broken::Nonsense(format!("at {}: {:?}", self.next, fetched.error)));
        }
        let (now, before) = (fetched.high_watermark, self.high_watermark);
        if now < before {
            return Err(Broken::Nonsense(format!("the high watermark went back from {before} to {now}")));
        }
        self.high_watermark = now;
        let mut ledger = self.flow.ledger.borrow_mut();
        for (stored, checksum, end) in &fetched.batches {
            if *end <= self.next || *end > now {
                let next = self.next;
                return Err(Broken::Nonsense(format!(
                    "asked for {next} below {now}, got a batch up to {end}"
                )));
            }
            ledger.saw(self.key, stored.base_offset, *checksum);
            self.next = *end;
        }
        Ok(())
    }
}
