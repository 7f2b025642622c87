//! Lives of groups of the consumer protocol, drawn from a seed: members that join, change their minds, fall
//! silent, leave and come back, over a log whose writes are slow or fail, through restarts, topics that come
//! and go, and the other protocol's joins. At every step no partition is owned by two members, as they
//! themselves see it and as the log says, and no epoch goes back;
//! at the end every partition that somebody subscribes to is owned.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_core::base::PartitionKey;
use millrace_core::coord::*;

use crate::choices::Choices;
use crate::stage::{Disk, Stage};

/// A member as it sees itself.
#[derive(Debug, Clone)]
struct Client {
    id: MemberId,
    instance: Option<InstanceId>,
    epoch: Epoch,
    owned: BTreeSet<PartitionKey>,
    topics: Vec<Arc<str>>,
    pattern: Option<Arc<str>>,
    /// Its request that has no answer.
    asked: Option<(Token, Epoch)>,
    /// It says everything: it has not since it joined, or an answer did not come.
    owes_all: bool,
    /// It takes a while to give up what it is to give up.
    revoking: BTreeSet<PartitionKey>,
    /// When it last asked.
    asked_at: u64,
    /// When it has to have given up; it may not know what yet.
    revoked_by: Option<u64>,
}

const SESSION_MS: u64 = 45_000;
const REBALANCE_MS: u64 = 20_000;

struct Life {
    stage: Stage,
    choices: Choices,
    clients: Vec<Client>,
    drawn: u64,
    /// The highest epoch that the group was seen at.
    group_epoch: Epoch,
}

const CLIENTS: usize = 5;
const NAMES: [&str; 3] = ["t", "u", "v"];

impl Life {
    fn new(seed: u64) -> Life {
        let mut choices = Choices::seeded(seed);
        let mut settings = Stage::defaults();
        settings.consumer.assignment_interval_ms = [0, 1000][choices.below(2)];
        settings.consumer_max_size = [3, 100][choices.below(2)];
        settings.consumer_assignors = vec![[Assignor::Uniform, Assignor::Range][choices.below(2)]];
        let clients = (0..CLIENTS).map(|number| Client {
            id: MemberId::new(&format!("m{number}")),
            instance: choices.one_in(3).then(|| InstanceId::new(&format!("i{number}"))),
            epoch: Epoch::JOINING,
            owned: BTreeSet::new(),
            topics: vec![Arc::from("t")],
            pattern: None,
            asked: None,
            owes_all: true,
            revoking: BTreeSet::new(),
            asked_at: 0,
            revoked_by: None,
        });
        let clients = clients.collect();
        let mut life =
            Life { stage: Stage::new(settings), choices, clients, drawn: 0, group_epoch: Epoch(0) };
        life.stage.batch_bytes_max = [usize::MAX, 300][life.choices.below(2)];
        life.stage.topics.put("t", 4);
        life
    }

    fn step(&mut self) {
        let client = self.choices.below(CLIENTS);
        let is_free = self.clients[client].asked.is_none();
        match self.choices.below(30) {
            0..=13 if is_free => self.beat(client),
            14 if is_free => self.change_mind(client),
            15 if is_free => self.leave(client),
            16 => self.fall_silent(client),
            17 => {
                let (name, count) = (NAMES[self.choices.below(3)], 1 + self.choices.below(6) as i32);
                let more = self.stage.topics.topic(name).map_or(count, |topic| topic.partitions.max(count));
                self.stage.topics.put(name, more);
            }
            18 if self.choices.one_in(4) => self.restart(),
            19 => self.stage.disk = [Disk::Fast, Disk::Held][self.choices.below(2)],
            20..=22 => self.complete(),
            24 if self.choices.one_in(3) => self.look_in(),
            23 => {
                let client = &mut self.clients[client];
                client.revoking.clear();
            }
            _ => {
                let ms = [0, 10, 500, 1500, 11_000][self.choices.below(5)];
                self.stage.pass(ms);
                self.give_up_late();
                if ms > 10_000 {
                    self.pass_sessions();
                }
            }
        }
        self.stage.check_bytes();
        self.take_answers();
        self.check();
    }

    /// Who is out of the group without knowing it stops, as a process does that watches its own clock.
    fn give_up_late(&mut self) {
        let now = self.stage.now().clock.0;
        for client in 0..CLIENTS {
            let known = &self.clients[client];
            let waits_long = known.asked.is_some() && now >= known.asked_at + REBALANCE_MS;
            if waits_long
                || now >= known.asked_at + SESSION_MS
                || known.revoked_by.is_some_and(|by| now >= by)
            {
                self.forget(client);
                self.clients[client].asked = None;
            }
        }
    }

    /// Everybody who lives is heard of before its session is over.
    fn pass_sessions(&mut self) {
        for client in 0..CLIENTS {
            if self.clients[client].asked.is_none() && self.clients[client].epoch > Epoch::JOINING {
                self.beat(client);
            }
        }
    }

    fn beat(&mut self, client: usize) {
        let epoch = self.clients[client].epoch;
        let is_all = self.clients[client].owes_all || self.choices.one_in(3);
        self.send(client, epoch, is_all);
    }

    fn send(&mut self, client: usize, epoch: Epoch, is_all: bool) {
        self.drawn += 1;
        let known = &mut self.clients[client];
        known.asked = Some((Token(self.drawn), epoch));
        known.asked_at = self.stage.now().clock.0;
        let held = known.owned.union(&known.revoking).copied();
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
            rebalance_timeout_ms: is_all.then_some(REBALANCE_MS as i32),
            topics: is_all.then(|| known.topics.clone()),
            pattern: is_all.then(|| known.pattern.clone().unwrap_or_else(|| Arc::from(""))),
            assignor: None,
            owned: is_all.then(|| Partitions::of(held, Epoch(0))),
        };
        self.stage.beat(&beat, Token(self.drawn));
    }

    fn change_mind(&mut self, client: usize) {
        let topics: Vec<Arc<str>> =
            NAMES.iter().filter(|_| self.choices.one_in(2)).map(|name| Arc::from(*name)).collect();
        let pattern = self.choices.one_in(3).then(|| Arc::from(["t|u", ".*", "v"][self.choices.below(3)]));
        let client = &mut self.clients[client];
        (client.topics, client.pattern, client.owes_all) = (topics, pattern, true);
    }

    fn leave(&mut self, client: usize) {
        if self.clients[client].epoch <= Epoch::JOINING {
            return;
        }
        let is_back_soon = self.clients[client].instance.is_some() && self.choices.one_in(2);
        self.forget(client);
        self.send(client, if is_back_soon { Epoch::AWAY } else { Epoch::LEAVING }, false);
    }

    /// The process of a member ends; a static one comes back under another id.
    fn fall_silent(&mut self, client: usize) {
        self.forget(client);
        self.drawn += 1;
        let known = &mut self.clients[client];
        known.asked = None;
        known.id = MemberId::new(&format!("m{client}-{}", self.drawn));
    }

    fn forget(&mut self, client: usize) {
        let known = &mut self.clients[client];
        known.owned.clear();
        known.revoking.clear();
        known.revoked_by = None;
        (known.epoch, known.owes_all) = (Epoch::JOINING, true);
    }

    fn restart(&mut self) {
        check_log(&self.stage.log);
        self.stage.restart();
        for client in &mut self.clients {
            client.asked = None;
            client.owes_all = true;
        }
        // What was not in the log is gone, and nobody has been told of it.
        self.group_epoch = Epoch(0);
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
            let asker =
                self.clients.iter().position(|client| client.asked.is_some_and(|asked| asked.0 == token));
            let (Some(client), Answer::ConsumerHeartbeat(answer)) = (asker, answer) else { continue };
            let asked = self.clients[client].asked.take().map(|asked| asked.1).unwrap();
            match answer {
                Ok(beat) if asked >= Epoch::JOINING => self.hear(client, asked, beat),
                Ok(_) => {}
                Err(refused) => self.hear_refusal(client, refused.error),
            }
        }
    }

    fn hear(&mut self, client: usize, asked: Epoch, beat: Beat) {
        let takes_a_while = self.choices.one_in(2);
        let known = &mut self.clients[client];
        assert!(
            beat.epoch >= asked && beat.epoch > Epoch::JOINING,
            "{} goes from {asked} to {}",
            known.id,
            beat.epoch
        );
        (known.epoch, known.owes_all) = (beat.epoch, false);
        let Some(assigned) = beat.assignment else {
            if known.revoking.is_empty() {
                known.revoked_by = None;
            }
            return;
        };
        let assigned: BTreeSet<PartitionKey> = assigned.keys().collect();
        let held: BTreeSet<PartitionKey> = known.owned.union(&known.revoking).copied().collect();
        if held.is_subset(&assigned) {
            known.revoked_by = None;
        } else {
            // Of an answer that did not come the coordinator counts from then.
            known.revoked_by.get_or_insert(known.asked_at + REBALANCE_MS);
        }
        known.revoking = match takes_a_while {
            true => held.difference(&assigned).copied().collect(),
            false => BTreeSet::new(),
        };
        known.owned = assigned;
        // What it owns is another thing now, so it says so.
        known.owes_all = true;
    }

    fn hear_refusal(&mut self, client: usize, error: GroupError) {
        match error {
            GroupError::NotCoordinator
            | GroupError::CoordinatorNotAvailable
            | GroupError::UnknownServerError => {
                let known = &mut self.clients[client];
                known.owes_all = true;
                known.revoked_by.get_or_insert(known.asked_at + REBALANCE_MS);
            }
            GroupError::UnknownMemberId
            | GroupError::FencedMemberEpoch
            | GroupError::GroupIdNotFound
            | GroupError::UnreleasedInstanceId
            | GroupError::FencedInstanceId
            | GroupError::GroupMaxSizeReached => self.forget(client),
            other => panic!("{other:?}"),
        }
    }

    fn check(&mut self) {
        let mut owners: BTreeMap<PartitionKey, &MemberId> = BTreeMap::new();
        for client in &self.clients {
            for key in client.owned.union(&client.revoking) {
                if let Some(other) = owners.insert(*key, &client.id) {
                    panic!("{key:?} is owned by {other} and {}", client.id);
                }
            }
        }
        if let Described::Found(group) = self.stage.coordinator.describe_consumers("g") {
            assert!(group.epoch >= self.group_epoch, "from {} to {}", self.group_epoch, group.epoch);
            assert!(group.epoch >= group.assigned_epoch);
            self.group_epoch = group.epoch;
        } else {
            // A group that was of the other protocol begins anew.
            self.group_epoch = Epoch(0);
        }
    }

    /// A member of the classic protocol looks in: it joins where the group is empty, and leaves at once.
    fn look_in(&mut self) {
        self.drawn += 1;
        let token = Token(self.drawn);
        let request = JoinRequest {
            group: GroupId::new("g"),
            member: MemberId::none(),
            new_member: MemberId::new(&format!("c-{}", self.drawn)),
            new_consumer: MemberId::new(&format!("k-{}", self.drawn)),
            instance: None,
            client_id: Arc::from("client"),
            client_host: Arc::from("/127.0.0.1"),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: Arc::from("consumer"),
            protocols: vec![Protocol { name: Arc::from("range"), metadata: Bytes::new() }],
            handshake: MemberIdHandshake::Absent,
            skip_assignment: SkipAssignment::Unknown,
        };
        let member = LeavingMember { member: request.new_member.clone(), instance: None };
        let leaving = LeaveRequest { group: request.group.clone(), members: vec![member] };
        self.stage.join(&request, token);
        self.stage.leave(&leaving, token);
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
                    self.beat(client);
                }
                self.take_answers();
                self.check();
            }
            self.stage.pass(2000);
            self.give_up_late();
        }
        let mut wanted = BTreeSet::new();
        let members: Vec<&Client> =
            self.clients.iter().filter(|client| client.epoch > Epoch::JOINING).collect();
        for client in &members {
            let matched = |name: &&&str| match client.pattern.as_deref() {
                Some("t|u") => **name != "v",
                Some(".*") => true,
                Some("v") => **name == "v",
                _ => false,
            };
            let named = client.topics.iter().map(|name| &**name);
            for name in named.chain(NAMES.iter().filter(matched).copied()) {
                let topic = self.stage.topics.topic(name);
                let count = topic.map_or(0, |topic| topic.partitions);
                wanted.extend((0..count).map(|index| (name.to_owned(), index)));
            }
        }
        let owned: BTreeSet<(String, i32)> = members
            .iter()
            .flat_map(|client| &client.owned)
            .map(|key| (char::from(key.topic.0[0]).to_string(), key.partition.0))
            .collect();
        assert_eq!(owned, wanted);
        check_log(&self.stage.log);
        let Described::Found(group) = self.stage.coordinator.describe_consumers("g") else { return };
        let states = [ConsumerGroupState::Stable, ConsumerGroupState::Empty];
        assert!(states.contains(&group.state), "{:?}", group.state);
    }
}

/// What a start would find, before it puts anything right: each partition is some member's alone, and nothing
/// of the consumer protocol stands in a group of the other.
pub(crate) fn check_log(log: &[CoordinatorRecord]) {
    let mut claims: BTreeMap<&MemberId, &CurrentAssignment> = BTreeMap::new();
    let (mut epoch, mut classic) = (None, false);
    for record in log {
        match record {
            CoordinatorRecord::Group { value, .. } => classic = value.is_some(),
            CoordinatorRecord::Consumer { record: ConsumerRecord::Epoch(value), .. } => {
                epoch = value.map(|value| value.epoch);
            }
            CoordinatorRecord::Consumer {
                record: ConsumerRecord::Current(member, Some(current)), ..
            } => {
                claims.insert(member, current);
            }
            CoordinatorRecord::Consumer { record: ConsumerRecord::Current(member, None), .. } => {
                claims.remove(member);
            }
            _ => {}
        }
    }
    assert!(!classic || epoch.is_none(), "a group of both protocols");
    assert!(epoch.is_some() || claims.is_empty(), "members of no group: {claims:?}");
    let mut owners: BTreeMap<PartitionKey, &MemberId> = BTreeMap::new();
    for (member, current) in claims {
        for key in current.assigned.keys().chain(current.revoking.keys()) {
            if let Some(other) = owners.insert(key, member) {
                panic!("the log gives {key:?} to {other} and {member}");
            }
        }
    }
}

#[test]
fn nothing_is_owned_twice_and_everything_once_it_has_settled() {
    for seed in 0..200 {
        let lived = std::panic::catch_unwind(|| {
            let mut life = Life::new(seed);
            (0..250).for_each(|_| life.step());
            life.come_to_rest();
        });
        assert!(lived.is_ok(), "seed {seed}");
    }
}
