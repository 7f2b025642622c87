//! Lives of groups in which members of both protocols meet, drawn from a seed: members that join by one
//! protocol and come back by the other, fall silent, leave, as static ones or not, over a log whose writes
//! are slow or fail, through restarts and topics that grow. So groups are upgraded and downgraded again and
//! again. At every step no partition is owned by two members, as they themselves see it;
//! at the end every partition is owned.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_core::coord::records::consumer_protocol_subscription::TopicPartition as OwnedPart;
use millrace_core::coord::records::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use millrace_core::coord::*;

use super::client::{Asked, CLIENTS, Client, Manner, Next, REBALANCE_MS, SESSION_MS, assign, key};
use crate::choices::Choices;
use crate::consumer_lives::check_log;
use crate::stage::{Disk, Stage};

struct Life {
    stage: Stage,
    choices: Choices,
    clients: Vec<Client>,
    manner: Manner,
    /// What processes speak that begin now.
    fleet: MemberProtocol,
    drawn: u64,
    /// How often the group was seen as one of the other protocol.
    turns: usize,
    last_type: &'static str,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut choices = Choices::seeded(seed);
        let mut settings = Stage::defaults();
        settings.consumer.assignment_interval_ms = [0, 1000][choices.below(2)];
        settings.initial_rebalance_delay_ms = 100;
        settings.consumer_assignors = vec![[Assignor::Uniform, Assignor::Range][choices.below(2)]];
        let batch_bytes_max = [usize::MAX, 1000][choices.below(2)];
        settings.batch_bytes_max = batch_bytes_max;
        let manner = [Manner::Eager, Manner::Cooperative][choices.below(2)];
        let clients = (0..CLIENTS).map(|number| Client {
            protocol: [MemberProtocol::Classic, MemberProtocol::Consumer][choices.below(2)],
            id: MemberId::none(),
            instance: choices.one_in(3).then(|| InstanceId::new(&format!("i{number}"))),
            epoch: 0,
            next: Next::Join,
            owned: BTreeSet::new(),
            told: BTreeSet::new(),
            revoking: BTreeSet::new(),
            assignments: Vec::new(),
            led: None,
            asked: None,
            heard_at: 0,
            asked_at: 0,
            revoked_by: None,
        });
        let (clients, stage) = (clients.collect(), Stage::new(settings));
        let fleet = MemberProtocol::Classic;
        let mut life = Life { stage, choices, clients, manner, fleet, drawn: 0, turns: 0, last_type: "" };
        life.stage.batch_bytes_max = batch_bytes_max;
        life.stage.topics.put("t", 4);
        (0..CLIENTS).for_each(|client| life.begin_anew(client));
        life
    }

    fn step(&mut self) {
        let client = self.choices.below(CLIENTS);
        let is_free = self.clients[client].asked.is_none();
        match self.choices.below(30) {
            0..=13 if is_free => self.speak(client),
            14 if is_free => self.leave(client),
            15 => self.fall_silent(client),
            16 if self.choices.one_in(4) => {
                let count = self.stage.topics.topic("t").map_or(0, |topic| topic.partitions);
                self.stage.topics.put("t", (count + 1).min(8));
            }
            17 if self.choices.one_in(4) => self.restart(),
            18 => self.stage.disk = [Disk::Fast, Disk::Held][self.choices.below(2)],
            19..=21 => self.complete(),
            22 => self.clients[client].revoking.clear(),
            _ => {
                let ms = [0, 10, 500, 1500, 11_000][self.choices.below(5)];
                self.pass(ms);
            }
        }
        self.stage.check_bytes();
        self.take_answers();
        self.check();
    }

    fn pass(&mut self, ms: u64) {
        // In short steps, so that answers are heard when they come.
        let mut left = ms;
        while left > 0 {
            self.stage.pass(left.min(500));
            left -= left.min(500);
            self.take_answers();
            self.give_up_late();
        }
        if ms > 10_000 {
            let free = |client: &usize| self.clients[*client].asked.is_none();
            let free: Vec<usize> = (0..CLIENTS).filter(free).collect();
            free.into_iter().for_each(|client| self.speak(client));
        }
    }

    /// Who is out of the group without knowing it stops, as a process does that watches its own clock. A join
    /// is waited for longer than the others may take.
    fn give_up_late(&mut self) {
        let now = self.stage.now().clock.0;
        for client in 0..CLIENTS {
            let known = &mut self.clients[client];
            let is_late = known.revoked_by.is_some_and(|by| now >= by);
            if now < known.heard_at + REBALANCE_MS && !is_late {
                continue;
            }
            let is_joining = known.asked.as_ref().is_some_and(|asked| asked.1 == Asked::Join);
            if is_joining && now < known.asked_at + 3 * REBALANCE_MS {
                known.owned.clear();
            } else {
                known.asked = None;
                self.forget(client);
            }
        }
    }

    /// The next request of a client.
    fn speak(&mut self, client: usize) {
        let partitions = self.stage.topics.topic("t").map(|topic| topic.partitions);
        let known = &mut self.clients[client];
        if known.led.is_some() && known.led != partitions && known.next == Next::Heartbeat {
            // Leaders watch the topics.
            known.next = Next::Join;
        }
        match (self.clients[client].protocol, self.clients[client].next) {
            (MemberProtocol::Consumer, _) => self.beat(client, Epoch(self.clients[client].epoch)),
            (MemberProtocol::Classic, Next::Join) => self.join(client),
            (MemberProtocol::Classic, Next::Sync) => self.sync(client),
            (MemberProtocol::Classic, Next::Heartbeat) => self.heartbeat(client),
        }
        self.take_answers();
    }

    fn ask(&mut self, client: usize, asked: Asked) -> Token {
        self.drawn += 1;
        let now = self.stage.now().clock.0;
        let known = &mut self.clients[client];
        known.asked_at = now;
        known.asked = Some((Token(self.drawn), asked));
        Token(self.drawn)
    }

    fn beat(&mut self, client: usize, epoch: Epoch) {
        let token = self.ask(client, Asked::Beat(epoch));
        let known = &self.clients[client];
        let held = known.owned.union(&known.revoking).map(|index| key(*index));
        let beat = ConsumerBeat {
            group: GroupId::new("g"),
            member: known.id.clone(),
            new_member: MemberId::none(),
            id_origin: MemberIdOrigin::Member,
            epoch,
            instance: known.instance.clone(),
            rack: None,
            client_id: Arc::from("client"),
            client_host: Arc::from("/127.0.0.1"),
            rebalance_timeout_ms: Some(REBALANCE_MS as i32),
            topics: Some(vec![Arc::from("t")]),
            pattern: None,
            assignor: None,
            owned: Some(Partitions::of(held, Epoch(0))),
        };
        self.stage.beat(&beat, token);
    }

    fn join(&mut self, client: usize) {
        if self.manner == Manner::Eager {
            self.clients[client].owned.clear();
        }
        let token = self.ask(client, Asked::Join);
        let known = &mut self.clients[client];
        known.told.clone_from(&known.owned);
        let owned = OwnedPart { topic: "t".to_owned(), partitions: known.owned.iter().copied().collect() };
        let subscription = ConsumerProtocolSubscription {
            topics: vec!["t".to_owned()],
            owned_partitions: vec![owned],
            ..Default::default()
        };
        let metadata: Bytes = subscription.to_bytes(1).unwrap().into();
        let request = JoinRequest {
            group: GroupId::new("g"),
            member: known.id.clone(),
            new_member: MemberId::new(&format!("c{client}-{}", self.drawn)),
            new_consumer: MemberId::new(&format!("k{client}-{}", self.drawn)),
            instance: known.instance.clone(),
            client_id: Arc::from("client"),
            client_host: Arc::from("/127.0.0.1"),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS as i32,
            protocol_type: Arc::from("consumer"),
            protocols: vec![Protocol { name: Arc::from("own"), metadata }],
            handshake: [MemberIdHandshake::Required, MemberIdHandshake::Absent][client % 2],
            skip_assignment: SkipAssignment::Known,
        };
        self.stage.join(&request, token);
    }

    fn sync(&mut self, client: usize) {
        let token = self.ask(client, Asked::Sync);
        let known = &mut self.clients[client];
        let request = SyncRequest {
            group: GroupId::new("g"),
            generation: Generation(known.epoch),
            member: known.id.clone(),
            instance: known.instance.clone(),
            protocol_type: Some(Arc::from("consumer")),
            protocol: Some(Arc::from("own")),
            assignments: std::mem::take(&mut known.assignments),
        };
        self.stage.sync(&request, token);
    }

    fn heartbeat(&mut self, client: usize) {
        let known = self.clients[client].clone();
        let request = HeartbeatRequest {
            group: "g",
            generation: Generation(known.epoch),
            member: known.id.as_str(),
            instance: known.instance.as_ref().map(InstanceId::as_str),
        };
        let now = self.stage.now();
        match self.stage.coordinator.heartbeat(now, &request) {
            Ok(()) => self.clients[client].heard_at = now.clock.0,
            Err(GroupError::RebalanceInProgress) => {
                self.clients[client].heard_at = now.clock.0;
                self.join(client);
            }
            Err(error) => self.hear_refusal(client, error),
        }
    }

    fn leave(&mut self, client: usize) {
        let known = self.clients[client].clone();
        self.forget(client);
        if known.protocol == MemberProtocol::Consumer {
            let is_back_soon = known.instance.is_some() && self.choices.one_in(2);
            self.beat(client, if is_back_soon { Epoch::AWAY } else { Epoch::LEAVING });
        } else if !known.id.is_empty() && known.instance.is_none() {
            let token = self.ask(client, Asked::Leave);
            let members = vec![LeavingMember { member: known.id, instance: None }];
            self.stage.leave(&LeaveRequest { group: GroupId::new("g"), members }, token);
            self.take_answers();
        }
        self.clients[client].asked = None;
        self.begin_anew(client);
    }

    /// The process of a member ends, and another comes in its place.
    fn fall_silent(&mut self, client: usize) {
        self.forget(client);
        self.clients[client].asked = None;
        self.begin_anew(client);
    }

    /// Another process, perhaps of another version, which speaks the other protocol.
    fn begin_anew(&mut self, client: usize) {
        self.drawn += 1;
        let id = format!("m{client}-{}", self.drawn);
        if self.choices.one_in(3) {
            self.fleet = [MemberProtocol::Classic, MemberProtocol::Consumer][self.choices.below(2)];
        }
        let protocol = self.fleet;
        let known = &mut self.clients[client];
        known.protocol = protocol;
        known.id = if protocol == MemberProtocol::Classic { MemberId::none() } else { MemberId::new(&id) };
    }

    fn forget(&mut self, client: usize) {
        let now = self.stage.now().clock.0;
        let known = &mut self.clients[client];
        known.owned.clear();
        known.revoking.clear();
        known.assignments.clear();
        (known.revoked_by, known.led) = (None, None);
        (known.epoch, known.next, known.heard_at) = (0, Next::Join, now);
    }

    fn restart(&mut self) {
        check_log(&self.stage.log);
        self.stage.restart();
        for client in 0..CLIENTS {
            let known = &mut self.clients[client];
            if known.asked.take().is_some() {
                known.next = Next::Join;
            }
        }
    }

    /// A write that fails leaves no trace; what was asked for behind it may be stored.
    fn complete(&mut self) {
        let faults = [WriteFault::Unavailable, WriteFault::NotLeader];
        let result = if self.choices.one_in(6) { Err(faults[self.choices.below(2)]) } else { Ok(()) };
        if !self.stage.held.is_empty() {
            self.stage.complete(result);
        }
    }

    fn take_answers(&mut self) {
        for (token, answer) in std::mem::take(&mut self.stage.answers) {
            let is_asker = |client: &Client| client.asked.as_ref().is_some_and(|asked| asked.0 == token);
            let Some(client) = self.clients.iter().position(is_asker) else { continue };
            let Some((_, asked)) = self.clients[client].asked.take() else { continue };
            match (answer, asked) {
                (Answer::ConsumerHeartbeat(Ok(beat)), Asked::Beat(epoch)) if epoch >= Epoch::JOINING => {
                    self.hear_beat(client, &beat);
                }
                (Answer::ConsumerHeartbeat(Err(refused)), _) => self.hear_refusal(client, refused.error),
                (Answer::Join(Ok(joined)), _) => self.hear_join(client, &joined),
                (Answer::Join(Err(refused)), _) => {
                    if refused.error == GroupError::MemberIdRequired {
                        self.clients[client].id = refused.member;
                    } else {
                        self.hear_refusal(client, refused.error);
                    }
                }
                (Answer::Sync(Ok(synced)), _) => self.hear_sync(client, &synced),
                (Answer::Sync(Err(error)), _) => self.hear_refusal(client, error),
                _ => {}
            }
        }
    }

    fn hear_beat(&mut self, client: usize, beat: &Beat) {
        let takes_a_while = self.choices.one_in(2);
        let known = &mut self.clients[client];
        (known.epoch, known.heard_at) = (beat.epoch.0, known.asked_at);
        let Some(assigned) = &beat.assignment else {
            if known.revoking.is_empty() {
                known.revoked_by = None;
            }
            return;
        };
        let assigned: BTreeSet<i32> = assigned.keys().map(|key| key.partition.0).collect();
        let held: BTreeSet<i32> = known.owned.union(&known.revoking).copied().collect();
        if held.is_subset(&assigned) {
            known.revoked_by = None;
        } else {
            known.revoked_by.get_or_insert(known.asked_at + REBALANCE_MS);
        }
        known.revoking = match takes_a_while {
            true => held.difference(&assigned).copied().collect(),
            false => BTreeSet::new(),
        };
        known.owned = assigned;
    }

    fn hear_join(&mut self, client: usize, joined: &Joined) {
        let partitions = self.stage.topics.topic("t").map_or(0, |topic| topic.partitions);
        let known = &mut self.clients[client];
        (known.epoch, known.id) = (joined.generation.0, joined.member.clone());
        // While it waited nobody could count it out.
        known.heard_at = self.stage.now().clock.0;
        known.next = Next::Sync;
        let leads = joined.leader.as_ref() == Some(&joined.member) && !joined.members.is_empty();
        // One that skips does not know what the assignment was made for.
        known.led = leads.then_some(if joined.skip_assignment { 0 } else { partitions });
        known.assignments =
            if leads && !joined.skip_assignment { assign(joined, partitions) } else { Vec::new() };
    }

    fn hear_sync(&mut self, client: usize, synced: &Synced) {
        let known = &mut self.clients[client];
        let assigned: BTreeSet<i32> = match synced.assignment.is_empty() {
            true => BTreeSet::new(),
            false => {
                let said = ConsumerProtocolAssignment::parse(&synced.assignment).unwrap();
                said.assigned_partitions.iter().flat_map(|part| part.partitions.clone()).collect()
            }
        };
        // Even what it has given up meanwhile, for the others do not know that.
        let gives_up = !known.told.is_subset(&assigned);
        known.owned = assigned;
        known.heard_at = self.stage.now().clock.0;
        known.next = if gives_up { Next::Join } else { Next::Heartbeat };
    }

    fn hear_refusal(&mut self, client: usize, error: GroupError) {
        match error {
            GroupError::RebalanceInProgress
            | GroupError::NotCoordinator
            | GroupError::CoordinatorNotAvailable
            | GroupError::UnknownServerError => {
                let known = &mut self.clients[client];
                known.next = Next::Join;
                if known.protocol == MemberProtocol::Consumer {
                    known.revoked_by.get_or_insert(known.asked_at + REBALANCE_MS);
                }
            }
            GroupError::IllegalGeneration => self.forget(client),
            GroupError::UnknownMemberId => {
                self.forget(client);
                if self.clients[client].protocol == MemberProtocol::Classic {
                    self.clients[client].id = MemberId::none();
                }
            }
            GroupError::FencedMemberEpoch
            | GroupError::GroupIdNotFound
            | GroupError::UnreleasedInstanceId => self.forget(client),
            // Another process of its instance was there, which is gone by now.
            GroupError::FencedInstanceId => {
                self.forget(client);
                self.begin_anew(client);
            }
            other => panic!("{other:?}"),
        }
    }

    fn check(&mut self) {
        let mut owners: BTreeMap<i32, usize> = BTreeMap::new();
        for (number, client) in self.clients.iter().enumerate() {
            for index in client.owned.union(&client.revoking) {
                if let Some(other) = owners.insert(*index, number) {
                    panic!("{index} is owned by {other} and {number}: {:#?}", self.clients);
                }
            }
        }
        let listed = self.stage.coordinator.list(&GroupFilter::default());
        if let Some(group) = listed.first() {
            let group_type = group.status.group_type();
            self.turns += usize::from(group_type != self.last_type);
            self.last_type = group_type;
        }
    }

    /// Nothing fails any more, and everybody who lives is heard of: then all is owned.
    fn come_to_rest(&mut self) {
        self.stage.disk = Disk::Fast;
        while !self.stage.held.is_empty() {
            self.stage.complete(Ok(()));
        }
        self.take_answers();
        for _ in 0..80 {
            for client in 0..CLIENTS {
                self.clients[client].revoking.clear();
                if self.clients[client].asked.is_none() {
                    self.speak(client);
                }
                self.check();
            }
            self.pass(2000);
        }
        let owned: BTreeSet<i32> =
            self.clients.iter().flat_map(|client| client.owned.iter().copied()).collect();
        let count = self.stage.topics.topic("t").map_or(0, |topic| topic.partitions);
        assert_eq!(owned, (0..count).collect(), "{:#?}", self.clients);
    }
}

#[test]
fn nothing_is_owned_twice_whatever_protocols_members_speak() {
    let count: u64 = std::env::var("MILLRACE_SEEDS").map_or(1000, |text| text.parse().unwrap());
    let first: u64 = std::env::var("MILLRACE_SEED").map_or(0, |text| text.parse().unwrap());
    let mut turns = 0;
    for seed in first..first + count {
        let lived = std::panic::catch_unwind(|| {
            let mut life = Life::new(seed);
            (0..300).for_each(|_| life.step());
            life.come_to_rest();
            life.turns
        });
        turns += lived.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(turns as u64 > count * 2 || count < 100, "groups turned {turns} times in {count} lives");
}
