//! One member of a group, as a client is one: it joins, is assigned partitions, goes on where the group has
//! committed, and commits how far it came. What it knows outlives its connections.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{random_u64, sleep};
use millrace_wire::ErrorCode;

use super::assignor;
use super::flow::{GroupFlow, LOOK_AGAIN};
use super::generations::Assigned;
use super::joining::{self, Identity, Joined};
use super::mood::Mood;
use super::offsets::{NOTHING, OffsetFate};
use super::offsets_requests as offsets;
use super::plan::{GroupsPlan, Place, SlotPlan};
use crate::broker::client::{Broken, Client};

/// Before a request is made again that the coordinator could not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// What an answer's error means for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BeatVerdict {
    Fine,
    /// The coordinator is not there just now.
    Later,
    Rejoin,
    /// The group does not know the member any more.
    Forgotten,
}

fn verdict(error: ErrorCode) -> Result<BeatVerdict, Broken> {
    match error {
        ErrorCode::None => Ok(BeatVerdict::Fine),
        ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => Ok(BeatVerdict::Later),
        ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => Ok(BeatVerdict::Rejoin),
        ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => Ok(BeatVerdict::Forgotten),
        error => Err(Broken::Nonsense(format!("a member is answered {error:?}"))),
    }
}

/// Who is in a slot now.
pub(crate) struct Member {
    flow: GroupFlow,
    group: usize,
    slot: usize,
    mood: Rc<Mood>,
    /// Empty before the coordinator has given one.
    id: String,
    generation: i32,
    /// Its partitions and how far it came in each; nothing while it has no assignment.
    owned: Option<BTreeMap<Place, i64>>,
}

impl Member {
    pub(crate) fn new(flow: GroupFlow, (group, slot): (usize, usize), mood: Rc<Mood>) -> Member {
        Member { flow, group, slot, mood, id: String::new(), generation: -1, owned: None }
    }

    /// Returns when it has left the group.
    pub(crate) async fn live(mut self) {
        loop {
            self.mood.thaw().await;
            if let Ok(mut client) = Client::connect(self.flow.broker()).await {
                let served = self.serve(&mut client).await;
                if self.flow.has_left(&self.name(), served).await {
                    return;
                }
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Uses one connection until it breaks or the member has left.
    async fn serve(&mut self, client: &mut Client) -> Result<(), Broken> {
        self.find_coordinator(client).await?;
        loop {
            self.mood.thaw().await;
            if self.mood.is_leaving() {
                return self.leave(client).await;
            }
            match self.owned {
                None => self.join(client).await?,
                Some(_) => self.work(client).await?,
            }
        }
    }

    async fn find_coordinator(&self, client: &mut Client) -> Result<(), Broken> {
        let group = &self.flow.plan.groups[self.group];
        let version = group.slots[self.slot].versions.find;
        while verdict(joining::find(client, version, &group.name).await?)? != BeatVerdict::Fine {
            sleep(RETRY_PAUSE).await;
        }
        Ok(())
    }

    async fn leave(&mut self, client: &mut Client) -> Result<(), Broken> {
        let plan = Rc::clone(&self.flow.plan);
        while !self.id.is_empty() {
            let who =
                identity(&plan.groups[self.group].name, self.slot_plan(&plan), &self.id, self.generation);
            match verdict(joining::leave(client, who).await?)? {
                BeatVerdict::Fine | BeatVerdict::Forgotten => break,
                BeatVerdict::Later => sleep(RETRY_PAUSE).await,
                BeatVerdict::Rejoin => return Err(Broken::Nonsense("it may not leave".to_owned())),
            }
        }
        Ok(())
    }

    /// Gets into the next generation, and its assignment there; or has to try again.
    async fn join(&mut self, client: &mut Client) -> Result<(), Broken> {
        let plan = Rc::clone(&self.flow.plan);
        let (group, slot) = (&plan.groups[self.group].name, self.slot_plan(&plan));
        let newest = self.newest();
        let subscription = assignor::subscription(&plan, self.group);
        let who = identity(group, slot, &self.id, self.generation);
        let joined = joining::join(client, who, &subscription).await?;
        if joined.error == ErrorCode::MemberIdRequired {
            self.id = joined.member;
            return Ok(());
        }
        let verdict = verdict(joined.error)?;
        if verdict != BeatVerdict::Fine {
            self.heed(verdict).await;
            return Ok(());
        }
        let generation = joined.generation;
        if generation < newest {
            return Err(Broken::Nonsense(format!("it is in generation {generation}, behind {newest}")));
        }
        (self.id, self.generation) = (joined.member.clone(), generation);
        self.log(&format!("joins generation {generation}"));
        self.mood.thaw().await;
        let assignments = self.lead(&joined);
        self.sync(client, &assignments).await
    }

    /// Everybody's assignment, of a leader that is to make one.
    fn lead(&self, joined: &Joined) -> Vec<(String, Vec<u8>)> {
        if joined.leader != joined.member || joined.skip_assignment {
            return Vec::new();
        }
        let plan = &self.flow.plan;
        let key = |(id, instance): &(String, Option<String>)| plan.key(self.group, id, instance.as_deref());
        let keys: Vec<String> = joined.members.iter().map(key).collect();
        let proposal = assignor::assign(plan, self.group, &keys);
        let places = |key: &String| proposal.get(key).map_or(&[][..], Vec::as_slice);
        let members = joined.members.iter().zip(&keys);
        let assignments =
            members.map(|((id, _), key)| (id.clone(), assignor::encode(plan, places(key)))).collect();
        self.flow.ledger.borrow_mut().generations[self.group].propose(joined.generation, proposal);
        assignments
    }

    async fn sync(&mut self, client: &mut Client, assignments: &[(String, Vec<u8>)]) -> Result<(), Broken> {
        let plan = Rc::clone(&self.flow.plan);
        let (group, slot) = (&plan.groups[self.group].name, self.slot_plan(&plan));
        let newest = self.newest();
        let who = identity(group, slot, &self.id, self.generation);
        let (error, assignment) = joining::sync(client, who, assignments).await?;
        let verdict = verdict(error)?;
        if verdict != BeatVerdict::Fine {
            self.heed(verdict).await;
            return Ok(());
        }
        self.expect_newest(newest, "an assignment")?;
        let places = assignor::decode(&plan, &assignment).map_err(Broken::Nonsense)?;
        self.log(&format!("owns {places:?} in generation {}", self.generation));
        let key = slot.instance.clone().unwrap_or_else(|| self.id.clone());
        let assigned = Assigned { slot: self.slot, key, generation: self.generation, places: places.clone() };
        let told = self.flow.ledger.borrow_mut().generations[self.group].assign(assigned);
        told.map_err(Broken::Nonsense)?;
        self.fetch_offsets(client, &places).await
    }

    /// Goes on where the group has committed.
    async fn fetch_offsets(&mut self, client: &mut Client, places: &[Place]) -> Result<(), Broken> {
        let plan = Rc::clone(&self.flow.plan);
        let (group, ids) = (self.group, self.flow.topic_ids());
        let what = (plan.groups[group].name.as_str(), self.slot_plan(&plan).versions.fetch);
        loop {
            self.mood.thaw().await;
            let floors = self.flow.ledger.borrow().offsets.floors(group, places);
            let fetched = match offsets::fetch(client, &plan, &ids, what, Some(places)).await? {
                Ok(fetched) => fetched,
                Err(error) if verdict(error)? == BeatVerdict::Later => {
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(Broken::Nonsense(format!("offsets are answered {error:?}"))),
            };
            let mut ledger = self.flow.ledger.borrow_mut();
            let mut owned = BTreeMap::new();
            for (&place, &floor) in &floors {
                let fetched = fetched.get(&place);
                ledger.offsets.judge(&plan, group, (place, floor), fetched).map_err(Broken::Nonsense)?;
                owned.insert(place, fetched.map_or(NOTHING, |fetched| fetched.offset).max(0));
            }
            self.owned = Some(owned);
            return Ok(());
        }
    }

    /// Commits now and then, and says that it lives.
    async fn work(&mut self, client: &mut Client) -> Result<(), Broken> {
        let plan = Rc::clone(&self.flow.plan);
        let (group, slot) = (&plan.groups[self.group].name, self.slot_plan(&plan));
        if random_u64().is_multiple_of(2) {
            let verdict = self.commit(client).await?;
            if verdict != BeatVerdict::Fine {
                self.heed(verdict).await;
                return Ok(());
            }
        }
        let newest = self.newest();
        let who = identity(group, slot, &self.id, self.generation);
        let verdict = verdict(joining::heartbeat(client, who).await?)?;
        if verdict == BeatVerdict::Fine {
            self.expect_newest(newest, "a heartbeat")?;
            self.flow.ledger.borrow_mut().generations[self.group].confirm(self.slot);
        } else if verdict == BeatVerdict::Rejoin && random_u64().is_multiple_of(2) {
            // What it came to before others have its partitions.
            self.commit(client).await?;
        }
        self.heed(verdict).await;
        let pause = slot.heartbeat_ms() / 2 + random_u64() % slot.heartbeat_ms();
        sleep(Duration::from_millis(pause)).await;
        Ok(())
    }

    /// Commits some progress in every partition that it owns.
    async fn commit(&mut self, client: &mut Client) -> Result<BeatVerdict, Broken> {
        let plan = Rc::clone(&self.flow.plan);
        let (group, slot) = (self.group, self.slot_plan(&plan));
        let Some(owned) = self.owned.as_mut().filter(|owned| !owned.is_empty()) else {
            return Ok(BeatVerdict::Fine);
        };
        let mut sent = Vec::new();
        for (&place, next) in owned {
            *next += 1 + (random_u64() % 5) as i64;
            let version = slot.versions.commit;
            sent.push(self.flow.ledger.borrow_mut().offsets.send(&plan, group, (place, *next), version));
        }
        let newest = self.newest();
        let who = identity(&plan.groups[group].name, slot, &self.id, self.generation);
        let answers = offsets::commit(client, &plan, &self.flow.topic_ids(), who, &sent).await?;
        let mut worst = BeatVerdict::Fine;
        for committing in &sent {
            let answer = answers.iter().find(|(place, _)| *place == committing.place);
            let Some((_, error)) = answer else {
                return Err(Broken::Nonsense(format!("a commit of {:?} is not answered", committing.place)));
            };
            let verdict = verdict(*error)?;
            let fate = match verdict {
                BeatVerdict::Fine => OffsetFate::Acknowledged,
                BeatVerdict::Later => OffsetFate::Unknown,
                BeatVerdict::Rejoin | BeatVerdict::Forgotten => OffsetFate::Refused,
            };
            let mut ledger = self.flow.ledger.borrow_mut();
            ledger.acknowledgements += u64::from(fate == OffsetFate::Acknowledged);
            ledger.offsets.learn(group, committing, fate);
            worst = if verdict == BeatVerdict::Fine { worst } else { verdict };
        }
        if worst == BeatVerdict::Fine {
            self.expect_newest(newest, "a commit")?;
        }
        Ok(worst)
    }

    /// Does what an error asks for.
    async fn heed(&mut self, verdict: BeatVerdict) {
        match verdict {
            BeatVerdict::Fine => return,
            BeatVerdict::Later => return sleep(RETRY_PAUSE).await,
            BeatVerdict::Rejoin => {}
            BeatVerdict::Forgotten => self.id.clear(),
        }
        self.owned = None;
        self.flow.ledger.borrow_mut().generations[self.group].leave(self.slot);
    }

    /// Nobody gets anything in a generation that is older than one that was known when they asked.
    fn expect_newest(&self, newest: i32, what: &str) -> Result<(), Broken> {
        match self.generation < newest {
            true => Err(Broken::Nonsense(format!(
                "{what} of generation {} is taken, when there was {newest}",
                self.generation
            ))),
            false => Ok(()),
        }
    }

    fn newest(&self) -> i32 {
        self.flow.ledger.borrow().generations[self.group].newest()
    }

    fn slot_plan<'a>(&self, plan: &'a GroupsPlan) -> &'a SlotPlan {
        &plan.groups[self.group].slots[self.slot]
    }

    fn name(&self) -> String {
        let group = &self.flow.plan.groups[self.group];
        format!("{} slot {} {:?}", group.name, self.slot, self.id)
    }

    fn log(&self, what: &str) {
        millrace_rt::world::log(format!("{} {what}", self.name()));
    }
}

fn identity<'a>(group: &'a str, slot: &'a SlotPlan, member: &'a str, generation: i32) -> Identity<'a> {
    Identity { group, generation, member, slot }
}
