//! Lives of groups drawn from a seed: clients that join, assign, commit, fall silent and come back, over a
//! log whose writes are slow or fail, through restarts.
//! What must hold in each of them is checked at every step.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use millrace_core::coord::*;

use crate::choices::Choices;
use crate::stage::{Disk, Stage};

/// A client of a group, as far as it knows.
#[derive(Debug, Clone)]
struct Client {
    group: GroupId,
    member: MemberId,
    instance: Option<InstanceId>,
    generation: Generation,
    /// Those it has to assign to.
    led: Vec<MemberId>,
    asked: Option<Token>,
    version: usize,
}

/// The world, and what was seen of it.
struct Life {
    stage: Stage,
    choices: Choices,
    clients: Vec<Client>,
    /// Requests without an answer, and whose they are.
    waiting: BTreeMap<Token, usize>,
    drawn: u64,
    /// The last generation that anybody joined, by group.
    generations: BTreeMap<GroupId, Generation>,
    /// Groups whose last record may not be in the log.
    unsure: BTreeSet<GroupId>,
    log_read: usize,
    seed: u64,
    steps: u64,
}

const GROUPS: usize = 3;
const CLIENTS: usize = 12;

impl Life {
    fn new(seed: u64) -> Life {
        let mut choices = Choices::seeded(seed);
        let mut settings = Stage::defaults();
        settings.initial_rebalance_delay_ms = [0, 3000][choices.below(2)];
        settings.max_size = [3, 100][choices.below(2)];
        settings.offsets_retention_ms = 100_000;
        settings.retention_check_interval_ms = 20_000;
        let clients = (0..CLIENTS).map(|number| Client {
            group: GroupId::new(&format!("g{}", number % GROUPS)),
            member: MemberId::none(),
            instance: choices.one_in(3).then(|| InstanceId::new(&format!("i{number}"))),
            generation: Generation::NONE,
            led: Vec::new(),
            asked: None,
            version: 0,
        });
        let clients = clients.collect();
        let (generations, unsure) = (BTreeMap::new(), BTreeSet::new());
        let (stage, waiting) = (Stage::new(settings), BTreeMap::new());
        Life { stage, choices, clients, waiting, drawn: 0, generations, unsure, log_read: 0, seed, steps: 0 }
    }

    fn step(&mut self) {
        self.steps += 1;
        let client = self.choices.below(CLIENTS);
        let is_free = self.clients[client].asked.is_none();
        match self.choices.below(40) {
            0..=9 if is_free => self.join(client),
            10..=17 if is_free => self.sync(client),
            18..=21 if is_free => self.heartbeat(client),
            22..=25 if is_free => self.commit(client),
            26 if is_free => self.leave(client),
            27 => self.start_anew(client),
            28 => self.delete(),
            29 if self.choices.one_in(8) => self.restart(),
            30 => self.stage.disk = [Disk::Fast, Disk::Held][self.choices.below(2)],
            31..=33 => self.complete(),
            _ => {
                let ms = [0, 1, 100, 400, 3000, 20_000][self.choices.below(6)];
                self.stage.pass(ms);
            }
        }
        self.stage.check_bytes();
        self.take_answers();
    }

    fn ask(&mut self, client: usize) -> Token {
        self.drawn += 1;
        let token = Token(self.drawn);
        self.waiting.insert(token, client);
        self.clients[client].asked = Some(token);
        token
    }

    fn join(&mut self, client: usize) {
        let token = self.ask(client);
        let changes = self.choices.one_in(4);
        let known = &mut self.clients[client];
        known.version += usize::from(changes);
        let names: &[&str] = [&["range", "sticky"][..], &["sticky", "range"], &["range"]][known.version % 3];
        let metadata = Bytes::from(format!("{}", known.version));
        let protocol = |name: &&str| Protocol { name: Arc::from(*name), metadata: metadata.clone() };
        let request = JoinRequest {
            group: known.group.clone(),
            member: known.member.clone(),
            new_member: MemberId::new(&format!("c{client}-{}", self.drawn)),
            new_consumer: MemberId::new(&format!("k{client}-{}", self.drawn)),
            instance: known.instance.clone(),
            client_id: Arc::from("c"),
            client_host: Arc::from("/h"),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: [0, 4_000, 30_000][self.choices.below(3)],
            protocol_type: Arc::from("consumer"),
            protocols: names.iter().map(protocol).collect(),
            handshake: [MemberIdHandshake::Required, MemberIdHandshake::Absent][self.choices.below(2)],
            skip_assignment: [SkipAssignment::Known, SkipAssignment::Unknown][self.choices.below(2)],
        };
        self.stage.join(&request, token);
    }

    fn sync(&mut self, client: usize) {
        let token = self.ask(client);
        let known = &self.clients[client];
        let assignment = |member: &MemberId| Bytes::from(assignment_of(known.generation, member));
        let request = SyncRequest {
            group: known.group.clone(),
            generation: known.generation,
            member: known.member.clone(),
            instance: known.instance.clone(),
            protocol_type: None,
            protocol: None,
            assignments: known.led.iter().map(|member| (member.clone(), assignment(member))).collect(),
        };
        self.stage.sync(&request, token);
    }

    fn heartbeat(&mut self, client: usize) {
        let known = &self.clients[client];
        let request = HeartbeatRequest {
            group: known.group.as_str(),
            generation: known.generation,
            member: known.member.as_str(),
            instance: known.instance.as_ref().map(|instance| instance.as_str()),
        };
        let now = self.stage.now();
        let result = self.stage.coordinator.heartbeat(now, &request);
        if matches!(result, Err(GroupError::UnknownMemberId | GroupError::FencedInstanceId)) {
            self.clients[client].member = MemberId::none();
        }
    }

    fn commit(&mut self, client: usize) {
        let token = self.ask(client);
        let known = &self.clients[client];
        let is_member = !known.member.is_empty();
        let offset = OffsetToCommit {
            topic: TopicName::new(["t", "u"][self.choices.below(2)]),
            topic_id: TopicId::ZERO,
            partition: PartitionIndex(self.choices.below(3) as i32),
            offset: Offset(self.drawn as i64),
            leader_epoch: LeaderEpoch(3),
            metadata: self.choices.one_in(2).then(|| Arc::from("text")),
        };
        let request = CommitRequest {
            group: known.group.clone(),
            member: known.member.clone(),
            instance: known.instance.clone(),
            generation: if is_member { known.generation } else { Generation::NONE },
            retention_ms: None,
            unknown_group: UnknownGroup::NotFound,
            offsets: vec![offset],
        };
        self.stage.commit(&request, token);
    }

    fn leave(&mut self, client: usize) {
        let token = self.ask(client);
        let known = &self.clients[client];
        let leaving = LeavingMember { member: known.member.clone(), instance: known.instance.clone() };
        let request = LeaveRequest { group: known.group.clone(), members: vec![leaving] };
        self.stage.leave(&request, token);
    }

    /// The client's process ends and begins again; its request is answered to nobody.
    fn start_anew(&mut self, client: usize) {
        let known = &mut self.clients[client];
        known.asked = None;
        known.member = MemberId::none();
        known.generation = Generation::NONE;
        known.led.clear();
    }

    fn delete(&mut self) {
        let token = self.ask(0);
        self.clients[0].asked = None;
        let groups: Vec<GroupId> = (0..GROUPS).map(|number| GroupId::new(&format!("g{number}"))).collect();
        self.stage.turn(|coordinator, now, actions| coordinator.delete_groups(now, &groups, token, actions));
    }

    fn complete(&mut self) {
        let Some((_, records)) = self.stage.held.front().cloned() else { return };
        let faults = [WriteFault::Unavailable, WriteFault::NotLeader, WriteFault::TooLarge];
        let fails = self.choices.one_in(3);
        let result = if fails { Err(faults[self.choices.below(3)]) } else { Ok(()) };
        for record in records.iter() {
            if let CoordinatorRecord::Group { group, .. } = record {
                match fails {
                    true => self.unsure.insert(group.clone()),
                    false => self.unsure.remove(group),
                };
            }
        }
        self.stage.complete(result);
    }

    /// Only the log is left: offsets are what they were, and so are groups whose last record is in it.
    fn restart(&mut self) {
        let held: BTreeSet<GroupId> = self
            .stage
            .held
            .iter()
            .flat_map(|(_, records)| records.iter())
            .map(|r| r.group().clone())
            .collect();
        let before = self.snapshot();
        self.stage.restart();
        self.waiting.clear();
        for client in &mut self.clients {
            client.asked = None;
        }
        let after = self.snapshot();
        for (group, (described, offsets)) in &before {
            let kept = after.get(group);
            let kept_offsets = kept.map(|(_, offsets)| offsets.clone()).unwrap_or_default();
            assert_eq!(kept_offsets, *offsets, "seed {}: offsets of {group}", self.seed);
            let is_settled = matches!(described.state, GroupState::Stable | GroupState::Empty)
                && described.generation > Generation(0)
                && !held.contains(group)
                && !self.unsure.contains(group);
            if is_settled {
                let kept = kept.map(|(described, _)| described.clone()).unwrap();
                let kept = if self.stage.settings.max_size >= CLIENTS { kept } else { continue };
                assert_eq!(kept, *described, "seed {}: {group}", self.seed);
            }
        }
        self.generations = after.iter().map(|(id, (group, _))| (id.clone(), group.generation)).collect();
    }

    #[expect(clippy::type_complexity, reason = "a group and its offsets, compared as they are")]
    fn snapshot(
        &self,
    ) -> BTreeMap<GroupId, (DescribedGroup, Vec<(TopicName, Vec<(PartitionIndex, CommittedOffset)>)>)> {
        let coordinator = &self.stage.coordinator;
        let listed = coordinator.list(&GroupFilter::default()).into_iter();
        let seen = |id: &str| {
            let Described::Found(group) = coordinator.describe(id) else { panic!("{id} is listed") };
            (group, coordinator.all_committed(id))
        };
        listed.map(|listed| (listed.group.clone(), seen(listed.group.as_str()))).collect()
    }

    fn take_answers(&mut self) {
        let answers = std::mem::take(&mut self.stage.answers);
        // Before or after these answers.
        let gone = self.groups_gone();
        self.generations.retain(|group, _| !gone.contains(group));
        self.check_generations(&answers);
        self.generations.retain(|group, _| !gone.contains(group));
        for (token, answer) in answers {
            let client = self.waiting.remove(&token);
            let client = client.unwrap_or_else(|| panic!("seed {}: {token:?} was answered twice", self.seed));
            if self.clients[client].asked == Some(token) {
                self.clients[client].asked = None;
                self.learn(client, answer);
            }
        }
    }

    /// Generations grow; who joins one at a time agrees on who leads; the leader knows them all.
    fn check_generations(&mut self, answers: &[(Token, Answer)]) {
        let mut joined: BTreeMap<(GroupId, Generation), Vec<&Joined>> = BTreeMap::new();
        for (token, answer) in answers {
            if let (Answer::Join(Ok(answer)), Some(client)) = (answer, self.waiting.get(token)) {
                let group = self.clients[*client].group.clone();
                joined.entry((group, answer.generation)).or_default().push(answer);
            }
        }
        for ((group, generation), answers) in joined {
            let seen = self.generations.entry(group.clone()).or_insert(generation);
            assert!(generation >= *seen, "seed {}: {group} goes back to {generation}", self.seed);
            *seen = generation;
            let leaders: Vec<_> = answers.iter().filter(|answer| !answer.members.is_empty()).collect();
            assert!(leaders.len() <= 1, "seed {}: {group} has leaders {leaders:?}", self.seed);
            for leader in leaders {
                assert_eq!(leader.leader.as_ref(), Some(&leader.member), "seed {}", self.seed);
                for answer in &answers {
                    assert_eq!(answer.leader, leader.leader, "seed {}", self.seed);
                    let is_known = leader.members.iter().any(|member| member.member == answer.member);
                    assert!(is_known, "seed {}: the leader does not know {}", self.seed, answer.member);
                }
            }
        }
    }

    /// Groups that were deleted, or ran out, since this was last asked; they begin at generation 1 again.
    fn groups_gone(&mut self) -> Vec<GroupId> {
        let new = self.stage.log.iter().skip(self.log_read);
        let gone = new.filter(|record| matches!(record, CoordinatorRecord::Group { value: None, .. }));
        let gone = gone.map(|record| record.group().clone()).collect();
        self.log_read = self.stage.log.len();
        gone
    }

    /// What a client makes of its answer.
    fn learn(&mut self, client: usize, answer: Answer) {
        let known = &mut self.clients[client];
        match answer {
            Answer::Join(Ok(joined)) => {
                known.member = joined.member;
                known.generation = joined.generation;
                known.led = joined.members.into_iter().map(|member| member.member).collect();
                if joined.skip_assignment {
                    known.led.clear();
                }
            }
            Answer::Join(Err(JoinRefused { error: GroupError::MemberIdRequired, member })) => {
                known.member = member;
            }
            Answer::Join(Err(JoinRefused { error, .. }))
            | Answer::Sync(Err(error))
            | Answer::Commit(Err(error)) => {
                if matches!(error, GroupError::UnknownMemberId | GroupError::FencedInstanceId) {
                    known.member = MemberId::none();
                }
            }
            Answer::Sync(Ok(synced)) => {
                // A static member gets what was assigned to its former id.
                let own = Bytes::from(assignment_of(known.generation, &known.member));
                let is_own =
                    synced.assignment.is_empty() || synced.assignment == own || known.instance.is_some();
                assert!(is_own, "seed {}: {known:?} got {:?}", self.seed, synced.assignment);
                let generation = format!("{}/c", known.generation);
                let is_of_this =
                    synced.assignment.is_empty() || synced.assignment.starts_with(generation.as_bytes());
                assert!(is_of_this, "seed {}: {known:?} got {:?}", self.seed, synced.assignment);
            }
            Answer::Leave(_) => known.member = MemberId::none(),
            Answer::ConsumerHeartbeat(_) => panic!("nobody speaks the consumer protocol"),
            Answer::Commit(Ok(_)) | Answer::DeleteOffsets(_) | Answer::DeleteGroups(_) => {}
        }
    }

    /// All clients are gone: everybody who waits is answered, and groups come to rest.
    fn end(&mut self) {
        self.stage.disk = Disk::Fast;
        self.stage.turn(|_, _, _| {});
        self.stage.pass(1_000_000);
        self.take_answers();
        assert!(self.waiting.is_empty(), "seed {}: {:?} wait for ever", self.seed, self.waiting);
        let left = self.stage.coordinator.list(&GroupFilter::default());
        assert!(left.is_empty(), "seed {}: {left:?} never expire", self.seed);
        assert_eq!(self.stage.coordinator.writes_under_way(), 0, "seed {}", self.seed);
    }
}

fn assignment_of(generation: Generation, member: &MemberId) -> String {
    format!("{generation}/{member}")
}

#[test]
fn whatever_happens_generations_tokens_and_the_log_are_consistent() {
    let seeds = std::env::var("MILLRACE_SEEDS").map_or(150, |text| text.parse().unwrap());
    let first = std::env::var("MILLRACE_SEED").map_or(1, |text| text.parse().unwrap());
    let (mut stable, mut restarts) = (0, 0);
    for seed in first..first + seeds {
        let mut life = Life::new(seed);
        for _ in 0..600 {
            life.step();
            let listed = life.stage.coordinator.list(&GroupFilter::default());
            stable += listed
                .iter()
                .filter(|group| group.status == GroupStatus::Classic(GroupState::Stable))
                .count();
        }
        life.restart();
        restarts += 1;
        life.end();
    }
    assert!(stable > restarts * 10, "groups were stable {stable} times only");
}
