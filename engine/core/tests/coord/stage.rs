//! A host for one coordinator: it keeps the log, completes writes, and lets time pass.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use millrace_core::base::config::BrokerConfig;
use millrace_core::base::{TimestampMs, TopicId};
use millrace_core::coord::{
    Action, Answer, CommitRequest, ConsumerBeat, Coordinator, CoordinatorRecord, GroupSettings, JoinRequest,
    LeaveRequest, Loader, MonotonicMs, Now, SyncRequest, Token, TopicView, Topics, WriteFault, WriteId,
};

/// What becomes of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Written at once.
    Fast,
    /// Written when the test says so.
    Held,
}

/// The coordinator and all around it.
pub(crate) struct Stage {
    pub(crate) settings: Arc<GroupSettings>,
    pub(crate) coordinator: Coordinator,
    pub(crate) disk: Disk,
    pub(crate) log: Vec<CoordinatorRecord>,
    pub(crate) held: VecDeque<(WriteId, Arc<[CoordinatorRecord]>)>,
    /// Answers nobody has taken yet.
    pub(crate) answers: Vec<(Token, Answer)>,
    pub(crate) topics: TopicTable,
    /// A write of more bytes fails: keys and values count.
    pub(crate) batch_bytes_max: usize,
    clock: u64,
}

/// The topics of the cluster. A topic's id is its name's first letter, sixteen times.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicTable {
    topics: BTreeMap<Arc<str>, TopicView>,
    version: u64,
}

impl TopicTable {
    pub(crate) fn put(&mut self, name: &str, partitions: i32) {
        let letter = name.bytes().next().unwrap();
        self.topics.insert(Arc::from(name), TopicView { id: TopicId([letter; 16]), partitions });
        self.version += 1;
    }

    /// One of more topics than there are letters.
    pub(crate) fn put_numbered(&mut self, name: &str, number: u128, partitions: i32) {
        let id = TopicId(number.to_be_bytes());
        self.topics.insert(Arc::from(name), TopicView { id, partitions });
        self.version += 1;
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.topics.remove(name);
        self.version += 1;
    }
}

impl Topics for TopicTable {
    fn version(&self) -> u64 {
        self.version + 1
    }

    fn topic(&self, name: &str) -> Option<TopicView> {
        self.topics.get(name).copied()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.topics.keys().cloned().collect()
    }
}

/// Wall time when the clock is at 0.
pub(crate) const EPOCH_MS: i64 = 1_700_000_000_000;

impl Stage {
    pub(crate) fn new(settings: GroupSettings) -> Stage {
        let settings = Arc::new(settings);
        let coordinator = Coordinator::new(Arc::clone(&settings), now_at(0));
        let (log, held, answers) = (Vec::new(), VecDeque::new(), Vec::new());
        let topics = TopicTable::default();
        let (disk, batch_bytes_max) = (Disk::Fast, usize::MAX);
        Stage { settings, coordinator, disk, log, held, answers, topics, batch_bytes_max, clock: 0 }
    }

    pub(crate) fn defaults() -> GroupSettings {
        GroupSettings::of(&BrokerConfig::default())
    }

    pub(crate) fn now(&self) -> Now {
        now_at(self.clock)
    }

    /// One event of the coordinator.
    pub(crate) fn turn(&mut self, event: impl FnOnce(&mut Coordinator, Now, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        event(&mut self.coordinator, now_at(self.clock), &mut actions);
        self.take(actions);
        if self.disk == Disk::Fast {
            while !self.held.is_empty() {
                self.complete(Ok(()));
            }
        }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply { token, answer } => self.answers.push((token, answer)),
                Action::Write { id, records } => self.held.push_back((id, records)),
            }
        }
    }

    /// A heartbeat of the consumer protocol.
    pub(crate) fn beat(&mut self, beat: &ConsumerBeat, token: Token) {
        let topics = self.topics.clone();
        self.turn(|coordinator, now, actions| {
            coordinator.consumer_heartbeat(now, beat, &topics, token, actions);
        });
    }

    pub(crate) fn join(&mut self, request: &JoinRequest, token: Token) {
        let topics = self.topics.clone();
        self.turn(|coordinator, now, actions| coordinator.join(now, request, &topics, token, actions));
    }

    pub(crate) fn commit(&mut self, request: &CommitRequest, token: Token) {
        let topics = self.topics.clone();
        self.turn(|coordinator, now, actions| coordinator.commit(now, request, &topics, token, actions));
    }

    pub(crate) fn sync(&mut self, request: &SyncRequest, token: Token) {
        let topics = self.topics.clone();
        self.turn(|coordinator, now, actions| coordinator.sync(now, request, &topics, token, actions));
    }

    pub(crate) fn leave(&mut self, request: &LeaveRequest, token: Token) {
        let topics = self.topics.clone();
        self.turn(|coordinator, now, actions| coordinator.leave(now, request, &topics, token, actions));
    }

    /// The oldest write comes into the log, or fails.
    pub(crate) fn complete(&mut self, mut result: Result<(), WriteFault>) {
        let (id, records) = self.held.pop_front().unwrap();
        if result.is_ok() && records.iter().map(bytes_of).sum::<usize>() > self.batch_bytes_max {
            result = Err(WriteFault::TooLarge);
        }
        if result.is_ok() {
            self.log.extend(records.iter().cloned());
        }
        let mut actions = Vec::new();
        self.coordinator.written(now_at(self.clock), id, result, &mut actions);
        self.take(actions);
    }

    /// Lets time pass, as a host does: it sleeps until the next deadline.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.clock + ms;
        while let Some(MonotonicMs(next)) = self.coordinator.next_deadline().filter(|next| next.0 <= end) {
            self.clock = next.max(self.clock);
            let topics = self.topics.clone();
            self.turn(|coordinator, now, actions| coordinator.expire(now, &topics, actions));
        }
        self.clock = end;
    }

    /// What groups take is counted where it changes; it is what it is.
    pub(crate) fn check_bytes(&mut self) {
        assert_eq!(self.coordinator.held_bytes(), self.coordinator.recounted_bytes());
    }

    /// The process ends and starts again: only the log is left.
    pub(crate) fn restart(&mut self) {
        self.held.clear();
        let mut loader = Loader::new(Arc::clone(&self.settings), self.now());
        for record in &self.log {
            let bytes = record.encode().unwrap();
            let read = CoordinatorRecord::decode(&bytes.key, bytes.value.as_deref()).unwrap().unwrap();
            assert_eq!(read, *record, "through Kafka's bytes");
            loader.replay(&read);
        }
        let mut actions = Vec::new();
        self.coordinator = loader.finish(self.now(), &mut actions);
        self.take(actions);
    }

    /// The partition goes elsewhere.
    pub(crate) fn unload(&mut self) {
        let empty = Coordinator::new(Arc::clone(&self.settings), self.now());
        let mut actions = Vec::new();
        std::mem::replace(&mut self.coordinator, empty).unload(&mut actions);
        self.take(actions);
    }
}

fn bytes_of(record: &CoordinatorRecord) -> usize {
    let bytes = record.encode().unwrap();
    bytes.key.len() + bytes.value.map_or(0, |value| value.len())
}

fn now_at(clock: u64) -> Now {
    Now { clock: MonotonicMs(clock), wall: TimestampMs(EPOCH_MS + clock as i64) }
}
