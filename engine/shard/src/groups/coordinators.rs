//! The coordinators of one shard as state: which there are, who waits for them, what they counted.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use millrace_core::base::config::{BrokerConfig, ConfigMap};
use millrace_core::base::ids::{PartitionIndex, PartitionKey, TimestampMs, TopicId};
use millrace_core::coord::{
    Coordinator, GroupFigures, GroupSettings, GroupTally, MonotonicMs, Now, Token, WriteFault, WriteId,
    partition_of,
};
use millrace_core::meta::{MetadataImage, OFFSETS_TOPIC};
use millrace_rt::Signal;
use rustc_hash::FxHashMap;

use crate::commit::outcomes::AppendTicket;
use crate::mesh::calls::Group;
use crate::mesh::group_calls::GroupResponse;
use crate::mesh::responder::Responder;

/// What one shard coordinates.
pub(crate) struct Groups {
    settings: RefCell<Arc<GroupSettings>>,
    spread: Cell<Option<GroupSpread>>,
    pub(crate) hosted: RefCell<FxHashMap<PartitionKey, Hosted>>,
    next_token: Cell<u64>,
    /// The earliest deadline that the timer knows of.
    pub(crate) planned: Cell<MonotonicMs>,
    /// A deadline came nearer.
    pub(crate) sooner: Signal,
    /// Counts the images of the metadata that the shard has seen, from 1.
    pub(crate) metadata_version: Cell<u64>,
    /// The shard stops: it coordinates nothing any more.
    pub(crate) is_left: Cell<bool>,
    pub(crate) counters: GroupCounters,
    /// What all coordinators of the shard may hold, and what they hold.
    bytes_max: usize,
    bytes: Cell<usize>,
}

/// Over what the groups are spread. As in Kafka it stays the same for a whole run: a group would not find its
/// offsets in another partition, so one that the topic gets on its way takes groups from the next start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GroupSpread {
    topic: TopicId,
    /// At least one.
    partitions: i32,
}

impl GroupSpread {
    fn by(image: &MetadataImage) -> Option<GroupSpread> {
        let topic = image.topic(OFFSETS_TOPIC)?;
        let partitions = i32::try_from(topic.partitions.len()).ok().filter(|count| *count > 0)?;
        Some(GroupSpread { topic: topic.id, partitions })
    }
}

/// A partition of the offsets topic.
pub(crate) enum Hosted {
    /// Its log is being read.
    Loading,
    Serving(Box<Serving>),
}

/// A coordinator with those who wait for it.
pub(crate) struct Serving {
    pub(crate) coordinator: Coordinator,
    pub(crate) waiting: FxHashMap<Token, Responder<Group>>,
    /// Appended and not yet known to have committed, oldest first.
    pub(crate) writes: VecDeque<(WriteId, Writing)>,
    /// Somebody waits for the oldest.
    pub(crate) is_watched: bool,
    /// What its groups were last known to hold.
    bytes: usize,
}

impl Serving {
    pub(crate) fn new(coordinator: Coordinator) -> Box<Serving> {
        let (waiting, writes) = (FxHashMap::default(), VecDeque::new());
        Box::new(Serving { coordinator, waiting, writes, is_watched: false, bytes: 0 })
    }

    pub(crate) fn respond(&mut self, token: Token, response: GroupResponse) {
        // Absent: there is nobody who could have asked twice under one token.
        if let Some(responder) = self.waiting.remove(&token) {
            responder.send(Ok(response));
        }
    }
}

impl Groups {
    /// By the metadata with which the shard starts.
    pub(crate) fn new(settings: GroupSettings, image: &MetadataImage, bytes_max: usize) -> Groups {
        Groups {
            settings: RefCell::new(Arc::new(settings)),
            spread: Cell::new(GroupSpread::by(image)),
            hosted: RefCell::default(),
            next_token: Cell::new(0),
            planned: Cell::new(MonotonicMs::NEVER),
            sooner: Signal::new(),
            metadata_version: Cell::new(1),
            is_left: Cell::new(false),
            counters: GroupCounters::default(),
            bytes_max,
            bytes: Cell::new(0),
        }
    }

    /// Takes newer metadata in: an offsets topic that is new or gone, and whatever else groups read.
    pub(crate) fn follow(&self, image: &MetadataImage) {
        self.metadata_version.update(|version| version + 1);
        let spread = GroupSpread::by(image);
        let topic = |spread: Option<GroupSpread>| spread.map(|spread| spread.topic);
        if topic(spread) != topic(self.spread.get()) {
            self.spread.set(spread);
        }
    }

    /// What groups go by now.
    pub(crate) fn settings(&self) -> Arc<GroupSettings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Lets every coordinator go by other settings.
    pub(crate) fn follow_settings(&self, settings: GroupSettings) {
        let settings = Arc::new(settings);
        for hosted in self.hosted.borrow_mut().values_mut() {
            if let Hosted::Serving(serving) = hosted {
                serving.coordinator.follow(Arc::clone(&settings));
            }
        }
        *self.settings.borrow_mut() = settings;
    }

    /// The partition that holds a group; nothing while the offsets topic does not exist.
    pub(crate) fn coordinator_of(&self, group: &str) -> Option<PartitionKey> {
        let GroupSpread { topic, partitions } = self.spread.get()?;
        Some(PartitionKey::new(topic, PartitionIndex(partition_of(group, partitions))))
    }

    pub(crate) fn with_serving(&self, key: PartitionKey, act: impl FnOnce(&mut Serving)) {
        if let Some(Hosted::Serving(serving)) = self.hosted.borrow_mut().get_mut(&key) {
            // What the other coordinators of the shard have left.
            let others = self.bytes.get() - serving.bytes;
            serving.coordinator.allow_bytes(self.bytes_max.saturating_sub(others));
            act(serving);
            serving.bytes = serving.coordinator.held_bytes();
            self.counters.add(serving.coordinator.take_tally());
            self.bytes.set(others + serving.bytes);
            self.plan(serving.coordinator.next_deadline());
        }
    }

    /// A coordinator begins to serve.
    pub(crate) fn host(&self, key: PartitionKey, coordinator: Coordinator) {
        self.hosted.borrow_mut().insert(key, Hosted::Serving(Serving::new(coordinator)));
        self.with_serving(key, |_| {});
    }

    /// A coordinator serves no more; nothing where it has not yet.
    pub(crate) fn take_away(&self, key: PartitionKey) -> Option<Box<Serving>> {
        match self.hosted.borrow_mut().remove(&key) {
            Some(Hosted::Serving(serving)) => {
                self.bytes.set(self.bytes.get() - serving.bytes);
                Some(serving)
            }
            Some(Hosted::Loading) | None => None,
        }
    }

    /// Groups of all coordinators.
    pub(crate) fn count(&self) -> usize {
        let groups = |hosted: &Hosted| match hosted {
            Hosted::Serving(serving) => serving.coordinator.len(),
            Hosted::Loading => 0,
        };
        self.hosted.borrow().values().map(groups).sum()
    }

    /// What always holds between two turns of tasks.
    pub(crate) fn check_whole(&self) {
        let mut bytes = 0;
        for hosted in self.hosted.borrow().values() {
            if let Hosted::Serving(serving) = hosted {
                serving.coordinator.check();
                assert!(
                    serving.writes.is_empty() || serving.is_watched,
                    "somebody waits for writes that are under way"
                );
                bytes += serving.bytes;
            }
        }
        assert_eq!(self.bytes.get(), bytes, "groups hold what is counted for them");
    }

    pub(crate) fn token(&self) -> Token {
        self.next_token.set(self.next_token.get() + 1);
        Token(self.next_token.get())
    }
}

/// What groups go by, as the metadata have it.
pub(crate) fn group_settings(config: &BrokerConfig, image: &MetadataImage) -> GroupSettings {
    static NOTHING: ConfigMap = ConfigMap::new();
    let offsets_topic = image.topic(OFFSETS_TOPIC).map_or(&NOTHING, |topic| &topic.configs);
    GroupSettings::resolve(image.config_layers(config), offsets_topic, image.group_configs())
}

/// The time of an event that happens now.
pub(crate) fn now() -> Now {
    let clock = MonotonicMs(millrace_rt::now().as_nanos() / 1_000_000);
    Now { clock, wall: TimestampMs(millrace_rt::wall_now_ms()) }
}

/// What a write is before its outcome is known.
pub(crate) enum Writing {
    Appended(AppendTicket),
    /// Not even a batch could be made of it.
    Refused(WriteFault),
    /// Nobody wrote it, and it counts as stored: a planted fault.
    Forgotten,
    /// Whatever becomes of it, it counts as stored: a planted fault.
    Trusted(AppendTicket),
}

/// The coordinators of one shard. Counts are since the shard opened.
#[derive(Debug, Clone, Default)]
pub struct GroupStats {
    pub rebalances: u64,
    pub consumer_rebalances: u64,
    pub commits: u64,
    pub removals: u64,
    /// Partitions of the offsets topic whose groups are still being read.
    pub loading: u64,
    /// Reads of such a partition that failed.
    pub load_failures: u64,
    /// Requests that were refused because groups have all the memory that they may.
    pub refusals: u64,
    /// Memory that groups hold, and that they may.
    pub bytes: u64,
    pub bytes_max: u64,
    pub groups: Vec<GroupFigures>,
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct GroupCounters {
    tally: Cell<GroupTally>,
    pub(crate) load_failures: Cell<u64>,
}

impl GroupCounters {
    pub(crate) fn add(&self, more: GroupTally) {
        let tally = self.tally.get();
        self.tally.set(GroupTally {
            rebalances: tally.rebalances + more.rebalances,
            consumer_rebalances: tally.consumer_rebalances + more.consumer_rebalances,
            commits: tally.commits + more.commits,
            removals: tally.removals + more.removals,
            refusals: tally.refusals + more.refusals,
        });
    }
}

impl Groups {
    pub(crate) fn counts(&self) -> GroupStats {
        let GroupTally { rebalances, consumer_rebalances, commits, removals, refusals } =
            self.counters.tally.get();
        let is_loading = |hosted: &&Hosted| matches!(hosted, Hosted::Loading);
        let loading = self.hosted.borrow().values().filter(is_loading).count() as u64;
        let load_failures = self.counters.load_failures.get();
        let groups = Vec::new();
        GroupStats {
            rebalances,
            consumer_rebalances,
            commits,
            removals,
            loading,
            load_failures,
            refusals,
            bytes: self.bytes.get() as u64,
            bytes_max: self.bytes_max as u64,
            groups,
        }
    }

    /// The timer has to ring by then.
    pub(crate) fn plan(&self, deadline: Option<MonotonicMs>) {
        if let Some(deadline) = deadline.filter(|deadline| *deadline < self.planned.get()) {
            self.planned.set(deadline);
            self.sooner.notify_all();
        }
    }

    /// Coordinators with a deadline that is over; the earliest deadline of the others is planned.
    pub(crate) fn due(&self, by: MonotonicMs) -> Vec<PartitionKey> {
        let hosted = self.hosted.borrow();
        let mut earliest = MonotonicMs::NEVER;
        let mut due = Vec::new();
        for (key, hosted) in &*hosted {
            let Hosted::Serving(serving) = hosted else { continue };
            match serving.coordinator.next_deadline() {
                Some(deadline) if deadline <= by => due.push(*key),
                Some(deadline) => earliest = earliest.min(deadline),
                None => {}
            }
        }
        self.planned.set(earliest);
        // The order of a map says nothing.
        due.sort_unstable();
        due
    }
}
