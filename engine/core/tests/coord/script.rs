//! The language of scripts: a request a line, and behind `| ` what came of it.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_core::base::config::GroupConfig;
use millrace_core::base::{LeaderEpoch, Offset, PartitionIndex, PartitionKey, TopicId};
use millrace_core::coord::*;

use crate::print;
use crate::stage::{Disk, Stage};

/// One line: a word, names without `=`, and settings with it.
struct Line<'a> {
    command: &'a str,
    words: Vec<&'a str>,
    settings: BTreeMap<&'a str, &'a str>,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Line<'a> {
        let mut parts = text.split_whitespace();
        let command = parts.next().unwrap();
        let (settings, words): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.contains('='));
        let settings = settings.iter().map(|part| part.split_once('=').unwrap()).collect();
        Line { command, words, settings }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.settings.get(key).copied()
    }

    fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, key: &str, otherwise: T) -> T {
        self.get(key).map_or(otherwise, |text| text.parse().unwrap())
    }

    fn group(&self) -> GroupId {
        GroupId::new(self.get("group").unwrap_or("g"))
    }

    fn member(&self) -> MemberId {
        MemberId::new(self.get("member").unwrap_or(""))
    }

    fn instance(&self) -> Option<InstanceId> {
        self.get("instance").map(InstanceId::new)
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    fn generation(&self) -> Generation {
        Generation(self.number("gen", -1))
    }
}

/// Runs scripts, one case after another.
pub(crate) struct Runner {
    pub(crate) stage: Stage,
    labels: Vec<String>,
    drawn: usize,
}

impl Runner {
    /// `settings` change Kafka's defaults, such as `max-size=2`.
    pub(crate) fn new(settings: &str) -> Runner {
        let line = format!("settings {settings}");
        let line = Line::parse(&line);
        let mut given = Stage::defaults();
        given.initial_rebalance_delay_ms = line.number("delay", given.initial_rebalance_delay_ms);
        given.max_size = line.number("max-size", given.max_size);
        given.consumer_max_size = given.max_size;
        given.consumer.assignment_interval_ms = line.number("interval", 0);
        given.consumer_migration = MigrationPolicy::of_name(line.get("policy").unwrap_or_default());
        given.batch_bytes_max = line.number("batch-max", given.batch_bytes_max);
        given.offsets_retention_ms = line.number("retention", given.offsets_retention_ms);
        given.retention_check_interval_ms = line.number("check", given.retention_check_interval_ms);
        Runner { stage: Stage::new(given), labels: Vec::new(), drawn: 0 }
    }

    /// What comes of one line.
    pub(crate) fn run(&mut self, text: &str) -> Vec<String> {
        let line = Line::parse(text);
        let mut shown = match line.command {
            "beat" => {
                self.beat(&line);
                Vec::new()
            }
            "consumers" => match self.stage.coordinator.describe_consumers(line.group().as_str()) {
                Described::Found(group) => print::consumers(&group),
                other => vec![format!("{other:?}")],
            },
            "join" | "sync" | "leave" | "commit" | "delete" | "delete-offsets" => {
                self.request(&line);
                Vec::new()
            }
            "settings" => {
                let mut settings = (*self.stage.settings).clone();
                settings.max_size = line.number("max-size", settings.max_size);
                if let Some(policy) = line.get("policy") {
                    settings.consumer_migration = MigrationPolicy::of_name(policy);
                }
                self.stage.settings = Arc::new(settings);
                Vec::new()
            }
            "written" | "failed" if self.stage.held.is_empty() => vec!["no write is under way".to_owned()],
            "tally" => {
                let tally = self.stage.coordinator.take_tally();
                vec![format!("{} generations, {} rebalances", tally.rebalances, tally.consumer_rebalances)]
            }
            "set" => {
                self.set(&line);
                Vec::new()
            }
            "may-fetch" => vec![self.may_fetch(&line)],
            "heartbeat" => vec![self.heartbeat(&line)],
            "fetch" => self.fetch(&line),
            "describe" => vec![match self.stage.coordinator.describe(line.group().as_str()) {
                Described::Found(group) => print::group(&group),
                Described::OfOtherType => "of another type".to_owned(),
                Described::Missing => "nothing".to_owned(),
            }],
            "list" => self.list(&line),
            "log" => self.stage.log.drain(..).map(|record| print::record(&record)).collect(),
            _ => {
                self.event(&line);
                Vec::new()
            }
        };
        for (token, answer) in std::mem::take(&mut self.stage.answers) {
            shown.push(format!("{}: {}", self.labels[token.0 as usize], print::answer(&answer)));
        }
        shown
    }

    /// `set g heartbeat=6000 session=50000 interval=1000`: settings of a group of its own.
    fn set(&mut self, line: &Line<'_>) {
        let mut settings = (*self.stage.settings).clone();
        let broker = settings.consumer;
        let own = GroupConfig {
            session_timeout_ms: line.number("session", broker.session_timeout_ms),
            heartbeat_interval_ms: line.number("heartbeat", broker.heartbeat_interval_ms),
            assignment_interval_ms: line.number("interval", broker.assignment_interval_ms),
        };
        settings.of_groups.insert(Arc::from(line.words[0]), own);
        self.stage.settings = Arc::new(settings);
        self.stage.coordinator.follow(Arc::clone(&self.stage.settings));
    }

    /// `limit 2`: the most members of a group, from now on.
    fn limit(&mut self, members: usize) {
        let mut settings = (*self.stage.settings).clone();
        (settings.max_size, settings.consumer_max_size) = (members, members);
        self.stage.settings = Arc::new(settings);
        self.stage.coordinator.follow(Arc::clone(&self.stage.settings));
    }

    /// `may-fetch member=m epoch=2`; without a member as tools do.
    fn may_fetch(&self, line: &Line<'_>) -> String {
        let (group, epoch) = (line.group(), Epoch(line.number("epoch", -1)));
        let checked = self.stage.coordinator.check_fetch(group.as_str(), line.get("member"), epoch);
        checked.map_or_else(|error| format!("{error:?}"), |()| "may fetch".to_owned())
    }

    fn event(&mut self, line: &Line<'_>) {
        match line.command {
            "after" => self.stage.pass(line.words[0].parse().unwrap()),
            "hold" => self.stage.disk = Disk::Held,
            "limit" => self.limit(line.words[0].parse().unwrap()),
            "written" => self.stage.complete(Ok(())),
            "failed" => self.stage.complete(Err(match line.words[0] {
                "Unavailable" => WriteFault::Unavailable,
                "NotLeader" => WriteFault::NotLeader,
                "TooLarge" => WriteFault::TooLarge,
                other => panic!("no fault {other}"),
            })),
            "batch-max" => self.stage.batch_bytes_max = line.words[0].parse().unwrap(),
            "restart" => self.stage.restart(),
            "unload" => self.stage.unload(),
            "topic" => self.stage.topics.put(line.words[0], line.words[1].parse().unwrap()),
            "topic-gone" => {
                let topics = [TopicName::new(line.words[0])];
                self.stage.topics.remove(line.words[0]);
                self.stage.turn(|coordinator, _, actions| coordinator.topics_deleted(&topics, actions));
            }
            other => panic!("no command {other}"),
        }
    }

    /// `beat LABEL member=m epoch=3 topics=a,b pattern=x owned=t0,t1`; `full` says everything,
    /// as after a join.
    fn beat(&mut self, line: &Line<'_>) {
        let token = Token(self.labels.len() as u64);
        self.labels.push(line.words[0].to_owned());
        let says_all = line.number("epoch", 0) == 0 || line.has("full");
        let timeout_ms = line.get("timeout").map(|text| text.parse().unwrap());
        let owned = line.get("owned").or(says_all.then_some(""));
        let beat = ConsumerBeat {
            group: line.group(),
            member: line.member(),
            new_member: MemberId::new("drawn"),
            id_origin: if line.has("old") { MemberIdOrigin::Broker } else { MemberIdOrigin::Member },
            epoch: Epoch(line.number("epoch", 0)),
            instance: line.instance(),
            rack: line.get("rack").map(Arc::from),
            client_id: Arc::from("client"),
            client_host: Arc::from("/127.0.0.1"),
            rebalance_timeout_ms: timeout_ms.or(says_all.then_some(30_000)),
            topics: line.get("topics").map(|names| names.split_terminator(',').map(Arc::from).collect()),
            pattern: line.get("pattern").map(Arc::from),
            assignor: line.get("assignor").map(Arc::from),
            owned: owned.map(|names| Partitions::of(names.split_terminator(',').map(key), Epoch(0))),
        };
        self.stage.beat(&beat, token);
    }

    fn request(&mut self, line: &Line<'_>) {
        let token = Token(self.labels.len() as u64);
        self.labels.push(line.words[0].to_owned());
        match line.command {
            "join" => {
                let request = self.join(line);
                self.stage.join(&request, token);
            }
            "sync" => {
                let request = sync(line);
                self.stage.sync(&request, token);
            }
            "leave" => {
                let request = leave(line);
                self.stage.leave(&request, token);
            }
            "commit" => {
                let request = commit(line);
                self.stage.commit(&request, token);
            }
            "delete" => {
                let groups: Vec<GroupId> = line.words[1..].iter().map(|name| GroupId::new(name)).collect();
                let event = |coordinator: &mut Coordinator, now, actions: &mut Vec<Action>| {
                    coordinator.delete_groups(now, &groups, token, actions);
                };
                self.stage.turn(event);
            }
            _ => {
                let partitions = line.words[1..].iter().map(|name| partition(name)).collect();
                let request = DeleteOffsetsRequest { group: line.group(), partitions };
                let event = |coordinator: &mut Coordinator, _, actions: &mut Vec<Action>| {
                    coordinator.delete_offsets(&request, token, actions);
                };
                self.stage.turn(event);
            }
        }
    }

    fn join(&mut self, line: &Line<'_>) -> JoinRequest {
        let client = line.get("client").unwrap_or(line.words[0]);
        self.drawn += usize::from(line.get("member").is_none());
        let stem = line.get("instance").unwrap_or(client);
        let drawn = line.get("new").map_or_else(|| format!("{stem}-{}", self.drawn), str::to_owned);
        JoinRequest {
            group: line.group(),
            member: line.member(),
            new_member: MemberId::new(&drawn),
            new_consumer: MemberId::new(&format!("k-{}", self.drawn)),
            instance: line.instance(),
            client_id: Arc::from(client),
            client_host: Arc::from("/127.0.0.1"),
            session_timeout_ms: line.number("session", 10_000),
            rebalance_timeout_ms: line.number("rebalance", 60_000),
            protocol_type: Arc::from(line.get("type").unwrap_or("consumer")),
            protocols: protocols(line.get("protocols").unwrap_or("range")),
            handshake: if line.has("handshake") {
                MemberIdHandshake::Required
            } else {
                MemberIdHandshake::Absent
            },
            skip_assignment: if line.has("skip") { SkipAssignment::Known } else { SkipAssignment::Unknown },
        }
    }

    fn heartbeat(&mut self, line: &Line<'_>) -> String {
        let (group, member) = (line.group(), line.member());
        let request = HeartbeatRequest {
            group: group.as_str(),
            generation: line.generation(),
            member: member.as_str(),
            instance: line.get("instance"),
        };
        let now = self.stage.now();
        let result = self.stage.coordinator.heartbeat(now, &request);
        result.map_or_else(|error| format!("{error:?}"), |()| "alive".to_owned())
    }

    fn fetch(&self, line: &Line<'_>) -> Vec<String> {
        let coordinator = &self.stage.coordinator;
        let group = line.group();
        if line.words.is_empty() {
            let topics = coordinator.all_committed(group.as_str()).into_iter();
            let show = |topic: &TopicName, (partition, value): &(PartitionIndex, CommittedOffset)| {
                format!("{topic}-{partition} {}", print::offset(value))
            };
            return topics
                .flat_map(|(topic, offsets)| {
                    offsets.iter().map(|item| show(&topic, item)).collect::<Vec<_>>()
                })
                .collect();
        }
        let one = |name: &&str| {
            let (topic, index) = partition(name);
            let value = coordinator.committed(group.as_str(), topic.as_str(), index);
            format!("{name} {}", value.map_or_else(|| "none".to_owned(), |value| print::offset(&value)))
        };
        line.words.iter().map(one).collect()
    }

    fn list(&self, line: &Line<'_>) -> Vec<String> {
        let names =
            |key| line.get(key).map_or_else(Vec::new, |text| text.split(',').map(str::to_owned).collect());
        let filter = GroupFilter { states: names("states"), types: names("types") };
        let listed = self.stage.coordinator.list(&filter);
        let show = |group: &ListedGroup| {
            let protocol_type = group.protocol_type.as_deref().unwrap_or("-");
            format!("{} {} {protocol_type} {}", group.group, group.status.group_type(), group.status.name())
        };
        listed.iter().map(show).collect()
    }
}

/// An assignment of `t0+t1`; behind a `/` the data of the members' own assignor.
fn assigned(text: &str) -> Bytes {
    let (parts, data) = text.split_once('/').map_or((text, None), |(parts, data)| (parts, Some(data)));
    let parts = parts.split('+').filter(|part| !part.is_empty()).map(|part| part.split_at(1));
    let topics = parts.map(|(topic, index)| records::consumer_protocol_assignment::TopicPartition {
        topic: topic.to_owned(),
        partitions: vec![index.parse().unwrap()],
    });
    let user_data = data.map(|data| Bytes::copy_from_slice(data.as_bytes()));
    let assigned_partitions = topics.collect();
    let assignment = records::ConsumerProtocolAssignment { assigned_partitions, user_data };
    assignment.to_bytes(0).unwrap().into()
}

/// `range` or `range:metadata`, by commas; a subscription is `range:topics(a+b)`, or `range:topics(a/a0+a1)`
/// where the member owns partitions.
fn protocols(text: &str) -> Vec<Protocol> {
    let one = |item: &str| {
        let (name, metadata) = item.split_once(':').unwrap_or((item, item));
        let metadata = match metadata.strip_prefix("topics(").and_then(|rest| rest.strip_suffix(')')) {
            Some(topics) => match topics.split_once('/') {
                Some((topics, owned)) => owning(topics, owned),
                None => subscription(topics),
            },
            None => Bytes::copy_from_slice(metadata.as_bytes()),
        };
        Protocol { name: Arc::from(name), metadata }
    };
    text.split(',').filter(|item| !item.is_empty()).map(one).collect()
}

fn owning(topics: &str, owned: &str) -> Bytes {
    let owned = owned.split('+').filter(|part| !part.is_empty()).map(|part| part.split_at(1));
    let owned = owned.map(|(topic, index)| records::consumer_protocol_subscription::TopicPartition {
        topic: topic.to_owned(),
        partitions: vec![index.parse().unwrap()],
    });
    let subscription = records::ConsumerProtocolSubscription {
        topics: topics.split('+').map(str::to_owned).collect(),
        owned_partitions: owned.collect(),
        ..Default::default()
    };
    subscription.to_bytes(1).unwrap().into()
}

fn subscription(topics: &str) -> Bytes {
    let topics: Vec<&str> = topics.split('+').filter(|topic| !topic.is_empty()).collect();
    let mut out = vec![0, 0];
    out.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        out.extend((topic.len() as i16).to_be_bytes());
        out.extend(topic.as_bytes());
    }
    out.extend((-1i32).to_be_bytes());
    Bytes::from(out)
}

fn sync(line: &Line<'_>) -> SyncRequest {
    let assign = line.get("assign").unwrap_or("").split(',').filter(|item| !item.is_empty());
    let one = |item: &str| {
        let (member, assignment) = item.split_once(':').unwrap();
        let parts = assignment.strip_prefix("parts(").and_then(|rest| rest.strip_suffix(')'));
        let bytes = parts.map_or_else(|| Bytes::copy_from_slice(assignment.as_bytes()), assigned);
        (MemberId::new(member), bytes)
    };
    SyncRequest {
        group: line.group(),
        generation: line.generation(),
        member: line.member(),
        instance: line.instance(),
        protocol_type: line.get("type").map(Arc::from),
        protocol: line.get("protocol").map(Arc::from),
        assignments: assign.map(one).collect(),
    }
}

/// `leave label a b@instance @instance`
fn leave(line: &Line<'_>) -> LeaveRequest {
    let one = |word: &&str| {
        let (member, instance) =
            word.split_once('@').map_or((*word, None), |(member, at)| (member, Some(at)));
        LeavingMember { member: MemberId::new(member), instance: instance.map(InstanceId::new) }
    };
    LeaveRequest { group: line.group(), members: line.words[1..].iter().map(one).collect() }
}

/// `commit label t-0:5 t-1:6:text`
fn commit(line: &Line<'_>) -> CommitRequest {
    let one = |word: &&str| {
        let mut parts = word.splitn(3, ':');
        let (topic, partition) = partition(parts.next().unwrap());
        let offset = Offset(parts.next().unwrap().parse().unwrap());
        let text = |text: &str| match text.strip_prefix("x*") {
            Some(count) => "x".repeat(count.parse().unwrap()),
            None => text.to_owned(),
        };
        OffsetToCommit {
            topic_id: if line.has("by-id") { key(&format!("{topic}0")).topic } else { TopicId::ZERO },
            topic,
            partition,
            offset,
            leader_epoch: LeaderEpoch(line.number("epoch", -1)),
            metadata: parts.next().map(|part| Arc::from(text(part))),
        }
    };
    let offsets = line.words[1..].iter().filter(|word| word.contains(':')).map(one).collect();
    let unknown_group =
        if line.has("old") { UnknownGroup::IllegalGeneration } else { UnknownGroup::NotFound };
    CommitRequest {
        group: line.group(),
        member: line.member(),
        instance: line.instance(),
        generation: line.generation(),
        retention_ms: line.get("retention").map(|text| text.parse().unwrap()),
        unknown_group,
        offsets,
    }
}

/// `t0`, of the topic whose id is made of `t`.
fn key(name: &str) -> PartitionKey {
    let topic = TopicId([name.bytes().next().unwrap(); 16]);
    PartitionKey::new(topic, PartitionIndex(name[1..].parse().unwrap()))
}

fn partition(name: &str) -> (TopicName, PartitionIndex) {
    let (topic, index) = name.rsplit_once('-').unwrap();
    (TopicName::new(topic), PartitionIndex(index.parse().unwrap()))
}
