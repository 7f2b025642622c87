//! A member of the group of the consumer protocol that still speaks the classic one: it gives up all that it
//! owns before it joins, leads where it is told to, and finds itself in a group of either type. It names the
//! topics that its place is for, and is never a static member.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use millrace_core::coord::records::ConsumerProtocolSubscription;
use millrace_rt::{random_u64, sleep};
use millrace_wire::ErrorCode;

use super::assignor;
use super::consumers::Part;
use super::flow::{GroupFlow, LOOK_AGAIN};
use super::joining::{self, Identity, Joined};
use super::mood::Mood;
use super::plan::{GroupsPlan, Place, REBALANCE_MS_MAX, SESSION_MS_MAX, SlotPlan, Versions};
use crate::broker::client::{Broken, Client};

const VERSIONS: Versions =
    Versions { find: 4, join: 7, sync: 5, heartbeat: 4, leave: 4, commit: 8, fetch: 8 };
const SUBSCRIPTION_VERSION: i16 = 1;
/// Between requests; far below the session timeout.
const PAUSE_MS: std::ops::Range<u64> = 10..60;

/// What it asks next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Join,
    Sync,
    Heartbeat,
}

pub(super) struct Elder {
    flow: GroupFlow,
    group: &'static str,
    number: u64,
    mood: Rc<Mood>,
    slot: SlotPlan,
    /// Places of topics among those of the plan.
    reads: BTreeSet<usize>,
    /// Empty until it was given one.
    id: String,
    generation: i32,
    next: Next,
    owned: BTreeSet<Part>,
    /// What it brings with its sync, as a leader.
    assignments: Vec<(String, Vec<u8>)>,
}

impl Elder {
    pub(super) fn new(
        flow: GroupFlow,
        group: &'static str,
        slot: usize,
        number: u64,
        mood: Rc<Mood>,
    ) -> Elder {
        let reads = flow.plan.consumers[slot].reads().collect();
        let slot = SlotPlan {
            instance: None,
            session_ms: SESSION_MS_MAX,
            rebalance_ms: REBALANCE_MS_MAX,
            versions: VERSIONS,
            ends_absent: false,
        };
        Elder {
            flow,
            group,
            number,
            mood,
            slot,
            reads,
            id: String::new(),
            generation: -1,
            next: Next::Join,
            owned: BTreeSet::new(),
            assignments: Vec::new(),
        }
    }

    /// Returns when it has left the group.
    pub(super) async fn live(mut self) {
        loop {
            if let Ok(mut client) = Client::connect(self.flow.broker()).await {
                let served = self.serve(&mut client).await;
                if self.flow.has_left(&format!("classic consumer {}", self.number), served).await {
                    return;
                }
            }
            if self.next == Next::Sync {
                self.next = Next::Join;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Uses one connection until it breaks or the member has left.
    async fn serve(&mut self, client: &mut Client) -> Result<(), Broken> {
        while joining::find(client, VERSIONS.find, self.group).await? != ErrorCode::None {
            sleep(LOOK_AGAIN).await;
        }
        loop {
            self.mood.thaw().await;
            if self.mood.is_leaving() {
                self.own(BTreeSet::new())?;
                return joining::leave(client, self.identity()).await.map(drop);
            }
            match self.next {
                Next::Join => self.join(client).await?,
                Next::Sync => self.sync(client).await?,
                Next::Heartbeat => self.heartbeat(client).await?,
            }
            if self.next == Next::Heartbeat {
                sleep(Duration::from_millis(PAUSE_MS.start + random_u64() % (PAUSE_MS.end - PAUSE_MS.start)))
                    .await;
            } else {
                sleep(LOOK_AGAIN).await;
            }
        }
    }

    async fn join(&mut self, client: &mut Client) -> Result<(), Broken> {
        self.own(BTreeSet::new())?;
        let topics = self.reads.iter().map(|&topic| self.flow.plan.topics[topic].name.to_owned());
        let said = ConsumerProtocolSubscription {
            topics: topics.collect(),
            ..ConsumerProtocolSubscription::default()
        };
        let said = said.to_bytes(SUBSCRIPTION_VERSION).unwrap_or_default();
        let joined = joining::join(client, self.identity(), &said).await?;
        if self.mood.is_frozen() {
            // An answer that came while it was frozen may be old by the time it is read.
            return Ok(());
        }
        match joined.error {
            ErrorCode::None => self.take(&joined),
            ErrorCode::MemberIdRequired => {
                self.id = joined.member;
                Ok(())
            }
            error => self.refused(error),
        }
    }

    fn take(&mut self, joined: &Joined) -> Result<(), Broken> {
        self.flow.ledger.borrow_mut().consumers.note_leader(&joined.leader);
        self.id.clone_from(&joined.member);
        (self.generation, self.next) = (joined.generation, Next::Sync);
        self.assignments.clear();
        if joined.leader == joined.member && !joined.members.is_empty() {
            self.assignments = assign(&self.flow.plan, joined).map_err(Broken::Nonsense)?;
        }
        Ok(())
    }

    async fn sync(&mut self, client: &mut Client) -> Result<(), Broken> {
        let assignments = std::mem::take(&mut self.assignments);
        let (error, assignment) = joining::sync(client, self.identity(), &assignments).await?;
        if self.mood.is_frozen() {
            self.next = Next::Join;
            return Ok(());
        }
        if error != ErrorCode::None {
            return self.refused(error);
        }
        let places = assignor::decode(&self.flow.plan, &assignment).map_err(Broken::Nonsense)?;
        let ids = self.flow.topic_ids();
        let parts = places.iter().filter_map(|place| Some((*ids.get(place.topic)?, place.partition)));
        self.next = Next::Heartbeat;
        self.own(parts.collect())
    }

    async fn heartbeat(&mut self, client: &mut Client) -> Result<(), Broken> {
        let answer = joining::heartbeat(client, self.identity()).await?;
        if self.mood.is_frozen() {
            return Ok(());
        }
        match answer {
            ErrorCode::None => self.own(self.owned.clone()),
            ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator => Ok(()),
            error => self.refused(error),
        }
    }

    /// It begins anew, with another id where its own is not known any more.
    fn refused(&mut self, error: ErrorCode) -> Result<(), Broken> {
        self.next = Next::Join;
        match error {
            ErrorCode::UnknownMemberId => self.id.clear(),
            ErrorCode::RebalanceInProgress
            | ErrorCode::IllegalGeneration
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator => {}
            error => return Err(Broken::Nonsense(format!("it is answered {error:?}"))),
        }
        self.own(BTreeSet::new())
    }

    fn own(&mut self, parts: BTreeSet<Part>) -> Result<(), Broken> {
        self.owned = parts;
        let is_done = self.next == Next::Heartbeat;
        let told = self.flow.ledger.borrow_mut().consumers.own(self.number, &self.owned, is_done);
        told.map_err(Broken::Nonsense)
    }

    fn identity(&self) -> Identity<'_> {
        Identity { group: self.group, generation: self.generation, member: &self.id, slot: &self.slot }
    }
}

/// The partitions of each topic in turn to those who read it.
fn assign(plan: &GroupsPlan, joined: &Joined) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut places: Vec<Vec<Place>> = vec![Vec::new(); joined.members.len()];
    let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, said) in joined.subscriptions.iter().enumerate() {
        let said = ConsumerProtocolSubscription::parse(said).map_err(|error| error.to_string())?;
        for topic in said.topics {
            let place = plan.place(&topic, 0).ok_or_else(|| format!("{topic} is subscribed to"))?;
            readers.entry(place.topic).or_default().push(number);
        }
    }
    for (topic, readers) in readers {
        for partition in 0..plan.topics[topic].partitions {
            places[readers[partition as usize % readers.len()]].push(Place { topic, partition });
        }
    }
    let ids = joined.members.iter().map(|(member, _)| member.clone());
    Ok(ids.zip(places.iter().map(|places| assignor::encode(plan, places))).collect())
}
