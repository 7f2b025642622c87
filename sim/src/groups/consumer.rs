//! One member of the group of the consumer protocol: it says what it owns, takes what it is given, and gives
//! up in its own time what it is to give up. It may be a static member that comes back under another id, name
//! topics or match them; it leaves, for good or for a while, freezes and crashes.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{random_u64, select, sleep};
use millrace_wire::messages::consumer_group_heartbeat_request::{
    ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use millrace_wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use millrace_wire::{ApiKey, ErrorCode, Reader};

use super::consumers::Part;
use super::elder::Elder;
use super::flow::{GroupFlow, LOOK_AGAIN};
use super::joining;
use super::mood::Mood;
use super::plan::{ConsumerPlan, REBALANCE_MS_MAX};
use crate::broker::client::{Broken, Client};
use crate::broker::requests::{error_of, nonsense};

const GROUP: &str = "consumers";
const VERSION: i16 = 1;
const FIND_VERSION: i16 = 4;
/// Between heartbeats; far below the session timeout.
const PAUSE_MS: std::ops::Range<u64> = 10..60;
/// A member lives so long before something befalls it.
const LIFE_MS: std::ops::Range<u64> = 50..1_500;
/// So many of the members speak the classic protocol, so that the group turns back and forth.
const CLASSIC_ONE_IN: u64 = 2;
const VACANCY_MS: std::ops::Range<u64> = 0..400;
/// From far below the session timeout to far above it.
const FREEZE_MS: std::ops::Range<u64> = 50..2_000;

const JOINING: i32 = 0;
const LEAVING: i32 = -1;
/// Of a static member that will be back.
const AWAY: i32 = -2;

/// Keeps one place of the group taken, mostly. Runs until the world ends.
pub(crate) async fn keep_consumer(flow: GroupFlow, slot: usize) {
    flow.until_topics().await;
    loop {
        let mood: Rc<Mood> = Rc::default();
        let number = flow.ledger.borrow_mut().consumers.draw();
        // Whichever ends: it has left, or it crashed in the middle of whatever it did.
        if random_u64().is_multiple_of(CLASSIC_ONE_IN) {
            let elder = Elder::new(flow.clone(), GROUP, slot, number, Rc::clone(&mood));
            select(elder.live(), befall(&flow, number, &mood)).await;
        } else {
            let consumer = ConsumerLife::new(flow.clone(), slot, number, Rc::clone(&mood));
            select(consumer.live(), befall(&flow, number, &mood)).await;
        }
        flow.ledger.borrow_mut().consumers.forget(number);
        sleep(Duration::from_millis(within(VACANCY_MS))).await;
    }
}

/// Returns when the member crashes.
async fn befall(flow: &GroupFlow, number: u64, mood: &Mood) {
    while !flow.is_healing() {
        sleep(Duration::from_millis(within(LIFE_MS))).await;
        match random_u64() % 4 {
            _ if flow.is_healing() => {}
            0 => return,
            1 => {
                mood.leave();
                break;
            }
            2 => {
                let lasts = Duration::from_millis(within(FREEZE_MS));
                millrace_rt::world::log(format!("consumer {number} freezes for {lasts:?}"));
                mood.freeze(lasts);
                // It does nothing with what it owns; what of it is still its own the next answer says.
                flow.ledger.borrow_mut().consumers.forget(number);
            }
            _ => {}
        }
    }
    std::future::pending::<()>().await;
}

fn within(range: std::ops::Range<u64>) -> u64 {
    range.start + random_u64() % (range.end - range.start)
}

/// Whether a member is fenced because it is ahead of its group.
fn is_ahead(answer: &ConsumerGroupHeartbeatResponse<'_>) -> bool {
    answer.error_message.as_ref().is_some_and(|message| message.contains("has a greater member epoch"))
}

fn numbers(parts: &BTreeSet<Part>) -> Vec<i32> {
    parts.iter().map(|part| part.1).collect()
}

struct ConsumerLife {
    flow: GroupFlow,
    slot: usize,
    number: u64,
    mood: Rc<Mood>,
    epoch: i32,
    owned: BTreeSet<Part>,
    /// What it is to give up and has not.
    revoking: BTreeSet<Part>,
}

impl ConsumerLife {
    fn new(flow: GroupFlow, slot: usize, number: u64, mood: Rc<Mood>) -> ConsumerLife {
        let (owned, revoking) = (BTreeSet::new(), BTreeSet::new());
        ConsumerLife { flow, slot, number, mood, epoch: JOINING, owned, revoking }
    }

    /// Returns when it has left the group.
    async fn live(mut self) {
        loop {
            if let Ok(mut client) = Client::connect(self.flow.broker()).await {
                let served = self.serve(&mut client).await;
                if self.flow.has_left(&format!("consumer {}", self.number), served).await {
                    return;
                }
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Uses one connection until it breaks or the member has left.
    async fn serve(&mut self, client: &mut Client) -> Result<(), Broken> {
        while joining::find(client, FIND_VERSION, GROUP).await? != ErrorCode::None {
            sleep(LOOK_AGAIN).await;
        }
        loop {
            self.mood.thaw().await;
            if self.mood.is_leaving() {
                self.give_up_all()?;
                self.log("leaves");
                let is_back_soon = self.instance().is_some() && random_u64().is_multiple_of(2);
                return self.beat(client, if is_back_soon { AWAY } else { LEAVING }).await;
            }
            if random_u64().is_multiple_of(2) {
                self.revoking.clear();
                self.flow.ledger.borrow_mut().consumers.keep(self.number, &self.owned);
            }
            self.beat(client, self.epoch).await?;
            sleep(Duration::from_millis(within(PAUSE_MS))).await;
        }
    }

    async fn beat(&mut self, client: &mut Client, epoch: i32) -> Result<(), Broken> {
        let held: BTreeSet<Part> = self.owned.union(&self.revoking).copied().collect();
        let topics = held
            .iter()
            .map(|(topic_id, index)| TopicPartitions { topic_id: *topic_id, partitions: vec![*index] });
        let flow = self.flow.clone();
        let ConsumerPlan { instance, topics: named, pattern } = &flow.plan.consumers[self.slot];
        let named = named.iter().map(|&topic| flow.plan.topics[topic].name.into());
        let request = ConsumerGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: format!("consumer-{}", self.number).into(),
            member_epoch: epoch,
            rebalance_timeout_ms: REBALANCE_MS_MAX as i32,
            instance_id: instance.as_deref().map(Into::into),
            subscribed_topic_names: Some(named.collect()),
            subscribed_topic_regex: pattern.map(|pattern| pattern.text.into()),
            topic_partitions: Some(topics.collect()),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        let body = client
            .ask(ApiKey::ConsumerGroupHeartbeat, VERSION, |writer| request.encode(writer, VERSION))
            .await?;
        let answer =
            ConsumerGroupHeartbeatResponse::decode(&mut Reader::new(&body), VERSION).map_err(nonsense)?;
        if self.mood.is_frozen() {
            // An answer that came while it was frozen may be old by the time it is read.
            return Ok(());
        }
        match error_of(answer.error_code)? {
            ErrorCode::None if epoch <= LEAVING => Ok(()),
            // The one before it has not been given up yet.
            ErrorCode::UnreleasedInstanceId if epoch == JOINING => Ok(()),
            ErrorCode::None => self.take(&answer),
            ErrorCode::CoordinatorNotAvailable => {
                self.flow.ledger.borrow_mut().consumers.is_put_off();
                Ok(())
            }
            ErrorCode::CoordinatorLoadInProgress | ErrorCode::NotCoordinator => Ok(()),
            // What was answered is in the log, whatever was full when it was asked for.
            ErrorCode::FencedMemberEpoch if is_ahead(&answer) => {
                Err(Broken::Nonsense(format!("the group is behind epoch {}, which it was told", self.epoch)))
            }
            // A join that was not answered may have been lost.
            ErrorCode::UnknownMemberId
            | ErrorCode::FencedMemberEpoch
            | ErrorCode::FencedInstanceId
            | ErrorCode::GroupIdNotFound => {
                self.log("is out");
                self.epoch = JOINING;
                self.give_up_all()
            }
            error => Err(Broken::Nonsense(format!("a heartbeat is answered {error:?}"))),
        }
    }

    fn take(&mut self, answer: &ConsumerGroupHeartbeatResponse<'_>) -> Result<(), Broken> {
        if answer.member_epoch < self.epoch || answer.member_epoch <= JOINING {
            let (before, now) = (self.epoch, answer.member_epoch);
            return Err(Broken::Nonsense(format!("it goes from epoch {before} to {now}")));
        }
        self.epoch = answer.member_epoch;
        if let Some(assignment) = &answer.assignment {
            let parts = assignment.topic_partitions.iter();
            let parts = parts.flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index)));
            let owned: BTreeSet<Part> = parts.collect();
            let held = self.owned.union(&self.revoking);
            self.revoking = held.filter(|part| !owned.contains(part)).copied().collect();
            let before = std::mem::replace(&mut self.owned, owned);
            if self.owned != before {
                self.log(&format!("owns {:?} at epoch {}", numbers(&self.owned), self.epoch));
            }
        }
        self.tell()
    }

    fn log(&self, what: &str) {
        let instance = self.instance().unwrap_or("dynamic");
        millrace_rt::world::log(format!("consumer {} ({instance}) {what}", self.number));
    }

    fn instance(&self) -> Option<&str> {
        self.flow.plan.consumers[self.slot].instance.as_deref()
    }

    fn give_up_all(&mut self) -> Result<(), Broken> {
        self.owned.clear();
        self.revoking.clear();
        self.tell()
    }

    fn tell(&self) -> Result<(), Broken> {
        let held: BTreeSet<Part> = self.owned.union(&self.revoking).copied().collect();
        let is_done = self.revoking.is_empty() && self.epoch > JOINING;
        let told = self.flow.ledger.borrow_mut().consumers.own(self.number, &held, is_done);
        told.map_err(Broken::Nonsense)
    }
}
