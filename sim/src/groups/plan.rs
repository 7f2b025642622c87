//! Who is in which group, with which timeouts, and in which versions of the protocol each member speaks.

use std::collections::BTreeSet;
use std::rc::Rc;

use millrace_core::base::{Durability, TopicId};

use crate::chance::Chance;
use crate::workload::Topic;

const GROUPS_MAX: u64 = 3;
const SLOTS_MAX: u64 = 4;
const CONSUMERS_MAX: u64 = 4;
const OFFSETS_PARTITIONS_MAX: u64 = 5;
const INITIAL_DELAY_MS_MAX: u64 = 200;
/// Of the broker; far below Kafka's, so that much happens in little time.
pub(crate) const SESSION_MS_MIN: u64 = 200;
pub(crate) const SESSION_MS_MAX: u64 = 700;
const REBALANCE_MS_MIN: u64 = 300;
pub(crate) const REBALANCE_MS_MAX: u64 = 1_200;
/// Heartbeats per session timeout.
const HEARTBEATS: u64 = 6;

/// One partition that a group reads: the place of its topic among [`GroupsPlan::topics`], and its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: usize,
    pub(crate) partition: i32,
}

/// A place for one member of a group: whoever takes it is configured so.
#[derive(Debug, Clone)]
pub(crate) struct SlotPlan {
    /// A static member has one.
    pub(crate) instance: Option<String>,
    pub(crate) session_ms: u64,
    pub(crate) rebalance_ms: u64,
    pub(crate) versions: Versions,
    /// Nobody is there when all faults are over.
    pub(crate) ends_absent: bool,
}

impl SlotPlan {
    pub(crate) fn heartbeat_ms(&self) -> u64 {
        self.session_ms / HEARTBEATS
    }
}

/// Versions of the requests that one client makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions {
    pub(crate) find: i16,
    pub(crate) join: i16,
    pub(crate) sync: i16,
    pub(crate) heartbeat: i16,
    pub(crate) leave: i16,
    pub(crate) commit: i16,
    pub(crate) fetch: i16,
}

/// A place for one member of the group of the consumer protocol.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerPlan {
    /// A static member has one.
    pub(crate) instance: Option<String>,
    /// Places of topics among [`GroupsPlan::topics`] that it names.
    pub(crate) topics: Vec<usize>,
    pub(crate) pattern: Option<Pattern>,
}

/// A regular expression that a member subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) text: &'static str,
    /// Places among [`GroupsPlan::topics`] of those that it matches.
    pub(crate) topics: &'static [usize],
}

/// Of "events" and "orders".
const PATTERNS: [Pattern; 3] = [
    Pattern { text: "e.*s", topics: &[0] },
    Pattern { text: "events|orders", topics: &[0, 1] },
    Pattern { text: "nothing.*", topics: &[] },
];

impl ConsumerPlan {
    /// Places among [`GroupsPlan::topics`] of what it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = usize> + '_ {
        let matched = self.pattern.iter().flat_map(|pattern| pattern.topics).copied();
        self.topics.iter().copied().chain(matched)
    }
}

pub(crate) struct GroupPlan {
    pub(crate) name: String,
    /// Places of its topics among [`GroupsPlan::topics`].
    pub(crate) topics: Vec<usize>,
    pub(crate) slots: Vec<SlotPlan>,
}

impl GroupPlan {
    /// Slots that have a member when all faults are over.
    pub(crate) fn present(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().enumerate().filter(|(_, slot)| !slot.ends_absent).map(|(number, _)| number)
    }
}

/// Everything about the groups of one seed. The same for each of its runs.
pub(crate) struct GroupsPlan {
    pub(crate) seed: u64,
    pub(crate) topics: Vec<Topic>,
    pub(crate) groups: Vec<GroupPlan>,
    pub(crate) offsets_partitions: u64,
    pub(crate) initial_delay_ms: u64,
    /// Members of the group of the consumer protocol.
    pub(crate) consumers: Vec<ConsumerPlan>,
    /// Pause between its assignments.
    pub(crate) assignment_interval_ms: u64,
}

impl GroupsPlan {
    pub(crate) fn new(seed: u64) -> Rc<GroupsPlan> {
        let mut chance = Chance::new(seed ^ 0x6709);
        let topic = |name, number, partitions| Topic {
            name,
            id: TopicId([number; 16]),
            partitions,
            durability: Durability::Power,
        };
        let topics = vec![topic("events", 1, 5), topic("orders", 2, 3)];
        let groups = (0..1 + chance.below(GROUPS_MAX)).map(|number| group(number, &mut chance)).collect();
        let offsets_partitions = 1 + chance.below(OFFSETS_PARTITIONS_MAX);
        let initial_delay_ms = if chance.one_in(2) { 0 } else { 1 + chance.below(INITIAL_DELAY_MS_MAX) };
        let consumers =
            (0..1 + chance.below(CONSUMERS_MAX)).map(|number| consumer(number, &mut chance)).collect();
        let assignment_interval_ms = if chance.one_in(2) { 0 } else { chance.below(INITIAL_DELAY_MS_MAX) };
        Rc::new(GroupsPlan {
            seed,
            topics,
            groups,
            offsets_partitions,
            initial_delay_ms,
            consumers,
            assignment_interval_ms,
        })
    }

    /// How many partitions the group of the consumer protocol reads.
    pub(crate) fn consumed_parts(&self) -> usize {
        let topics: BTreeSet<usize> = self.consumers.iter().flat_map(ConsumerPlan::reads).collect();
        let parts = topics.iter().filter_map(|&topic| self.topics.get(topic)).map(|topic| topic.partitions);
        usize::try_from(parts.sum::<i32>()).unwrap_or(0)
    }

    /// Every partition that a group reads, in order.
    pub(crate) fn places(&self, group: usize) -> Vec<Place> {
        let topics = self.groups[group].topics.iter();
        let all = topics.flat_map(|&topic| {
            (0..self.topics[topic].partitions).map(move |partition| Place { topic, partition })
        });
        all.collect()
    }

    /// The place of a partition that an answer names.
    pub(crate) fn place(&self, topic: &str, partition: i32) -> Option<Place> {
        let topic = self.topics.iter().position(|known| known.name == topic)?;
        Some(Place { topic, partition })
    }

    /// What a member is known by over all of its ids: its instance id, if it has one. Leaders that speak an
    /// old version are not told, but ids of static members begin with it.
    pub(crate) fn key(&self, group: usize, id: &str, instance: Option<&str>) -> String {
        let is_named_after =
            |instance: &&str| id.strip_prefix(*instance).is_some_and(|rest| rest.starts_with('-'));
        let slots = self.groups[group].slots.iter();
        let named =
            instance.or_else(|| slots.filter_map(|slot| slot.instance.as_deref()).find(is_named_after));
        named.unwrap_or(id).to_owned()
    }

    /// Lines of the broker's configuration.
    pub(crate) fn config(&self) -> String {
        let GroupsPlan { offsets_partitions, initial_delay_ms, assignment_interval_ms, .. } = self;
        format!(
            "group.min.session.timeout.ms={SESSION_MS_MIN}\ngroup.initial.rebalance.delay.ms={initial_delay_ms}\n\
             offsets.topic.num.partitions={offsets_partitions}\n\
             group.consumer.min.session.timeout.ms=1\ngroup.consumer.session.timeout.ms={SESSION_MS_MAX}\n\
             group.consumer.min.heartbeat.interval.ms=1\ngroup.consumer.heartbeat.interval.ms=50\n\
             group.consumer.assignment.interval.ms={assignment_interval_ms}"
        )
    }
}

/// Some name topics, some match them, some do both.
fn consumer(number: u64, chance: &mut Chance) -> ConsumerPlan {
    let pattern = chance.one_in(2).then(|| PATTERNS[chance.below(PATTERNS.len() as u64) as usize]);
    let topics = match pattern {
        Some(_) if chance.one_in(2) => Vec::new(),
        _ if chance.one_in(3) => vec![0, 1],
        _ => vec![0],
    };
    let instance = chance.one_in(2).then(|| format!("consumer-instance-{number}"));
    ConsumerPlan { instance, topics, pattern }
}

fn group(number: u64, chance: &mut Chance) -> GroupPlan {
    let topics = if chance.one_in(2) { vec![0] } else { vec![0, 1] };
    let mut slots: Vec<SlotPlan> = (0..1 + chance.below(SLOTS_MAX))
        .map(|slot| {
            let instance = chance.one_in(3).then(|| format!("instance-{number}-{slot}"));
            SlotPlan {
                session_ms: SESSION_MS_MIN + chance.below(SESSION_MS_MAX - SESSION_MS_MIN),
                rebalance_ms: REBALANCE_MS_MIN + chance.below(REBALANCE_MS_MAX - REBALANCE_MS_MIN),
                versions: versions(instance.is_some(), chance),
                instance,
                ends_absent: chance.one_in(4),
            }
        })
        .collect();
    if slots.iter().all(|slot| slot.ends_absent)
        && let Some(first) = slots.first_mut()
    {
        first.ends_absent = false;
    }
    GroupPlan { name: format!("group-{number}-{}", chance.below(1_000)), topics, slots }
}

/// Static members need versions that know of them.
fn versions(is_static: bool, chance: &mut Chance) -> Versions {
    let mut between = |first: i16, first_static: i16, last: i16| {
        let first = if is_static { first_static } else { first };
        first + chance.below((last - first + 1) as u64) as i16
    };
    Versions {
        find: between(0, 0, 6),
        join: between(0, 5, 9),
        sync: between(0, 3, 5),
        heartbeat: between(0, 3, 4),
        leave: between(0, 3, 5),
        commit: between(2, 7, 10),
        fetch: between(1, 1, 10),
    }
}
