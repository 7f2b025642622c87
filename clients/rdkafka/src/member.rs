//! A member of a group, which polls on a thread of its own and notes what it sees (see `matrix/members.py`).

use crate::outcome::Outcome;
use crate::records::{config, places, text};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const IDLE: Duration = Duration::from_millis(50);
const RECORDS_AT_ONCE: usize = 500;
/// What ends a member: everything else librdkafka repeats by itself.
const ENDING: &[RDKafkaErrorCode] = &[
    RDKafkaErrorCode::AutoOffsetReset,
    RDKafkaErrorCode::Fatal,
    RDKafkaErrorCode::FencedInstanceId,
    RDKafkaErrorCode::UnreleasedInstanceId,
];
/// Commits that a rebalance keeps back: their partitions' next owner reads again.
const PASSING: &[RDKafkaErrorCode] = &[
    RDKafkaErrorCode::RebalanceInProgress,
    RDKafkaErrorCode::IllegalGeneration,
    RDKafkaErrorCode::UnknownMemberId,
    RDKafkaErrorCode::StaleMemberEpoch,
    RDKafkaErrorCode::NoOffset,
];

type MemberConsumer = BaseConsumer<Seen>;
type Command = Box<dyn FnOnce(&MemberConsumer) + Send>;

/// What the member saw, shared with the thread that is asked for it.
pub(crate) struct Notes {
    topic: String,
    commits: String,
    closing: AtomicBool,
    events: Mutex<Vec<String>>,
    /// Partition -> offset behind what was read and is not committed.
    uncommitted: Mutex<BTreeMap<i32, i64>>,
}

impl Notes {
    fn note(&self, event: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        locked(&self.events).push(format!("{now} {event}"));
    }

    fn note_partitions(&self, kind: &str, partitions: &TopicPartitionList) {
        let numbers: Vec<String> =
            partitions.elements().iter().map(|place| place.partition().to_string()).collect();
        self.note(&format!("{kind} {}", if numbers.is_empty() { "-".to_owned() } else { numbers.join(",") }));
    }

    /// What a rebalance keeps from being committed stays for the next time.
    fn commit(&self, consumer: &MemberConsumer, mode: CommitMode) {
        let offsets = locked(&self.uncommitted).clone();
        if offsets.is_empty() || matches!(self.commits.as_str(), "none" | "auto") {
            return;
        }
        let mut places = TopicPartitionList::new();
        for (partition, offset) in &offsets {
            if let Err(error) = places.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))
            {
                self.note(&format!("error {error}"));
            }
        }
        match consumer.commit(&places, mode) {
            Ok(()) if matches!(mode, CommitMode::Sync) => {
                locked(&self.uncommitted).retain(|partition, offset| offsets.get(partition) != Some(offset));
            }
            Ok(()) => {}
            Err(error) if error.rdkafka_error_code().is_some_and(|code| PASSING.contains(&code)) => {}
            Err(error) => self.note(&format!("error commit {error}")),
        }
    }

    fn forget(&self, partitions: &TopicPartitionList) {
        let mut uncommitted = locked(&self.uncommitted);
        for place in partitions.elements() {
            uncommitted.remove(&place.partition());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What librdkafka tells of rebalances.
pub(crate) struct Seen(Arc<Notes>);

impl ClientContext for Seen {}

impl ConsumerContext for Seen {
    fn pre_rebalance(&self, consumer: &MemberConsumer, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => self.0.note_partitions("assigned", partitions),
            Rebalance::Revoke(partitions) if consumer.assignment_lost() => {
                self.0.forget(partitions);
                self.0.note_partitions("lost", partitions);
            }
            Rebalance::Revoke(partitions) => {
                self.0.commit(consumer, CommitMode::Sync);
                self.0.forget(partitions);
                self.0.note_partitions("revoked", partitions);
            }
            Rebalance::Error(error) => self.0.note(&format!("error rebalance {error}")),
        }
    }
}

pub(crate) struct Member {
    notes: Arc<Notes>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    pub(crate) fn join(
        bootstrap: &str,
        group: &str,
        topic: &str,
        settings: &HashMap<&str, &str>,
    ) -> Outcome<Member> {
        let setting = |name: &str| settings.get(name).copied().ok_or_else(|| format!("{name} is missing"));
        let mut config = group_config(bootstrap, group, setting("reset")?);
        config
            .set("enable.auto.commit", if setting("commit")? == "auto" { "true" } else { "false" })
            .set("max.poll.interval.ms", setting("poll_max_ms")?)
            .set("group.protocol", setting("protocol")?);
        if setting("instance")? != "-" {
            config.set("group.instance.id", setting("instance")?);
        }
        if setting("protocol")? == "consumer" {
            config.set("group.remote.assignor", setting("assignor")?);
        } else {
            config
                .set("partition.assignment.strategy", setting("assignor")?)
                .set("session.timeout.ms", setting("session_ms")?)
                .set("heartbeat.interval.ms", "1000");
        }
        let wait = Duration::from_millis(setting("poll_ms")?.parse()?);
        let (notes, consumer) = consumer(&config, topic, setting("commit")?)?;
        consumer.subscribe(&[topic])?;
        Ok(Member::start(notes, consumer, wait))
    }

    /// Partitions by hand; the group keeps the offsets only.
    pub(crate) fn assign(bootstrap: &str, group: &str, topic: &str, starts: &[&str]) -> Outcome<Member> {
        let mut config = group_config(bootstrap, group, "none");
        config.set("enable.auto.commit", "false");
        let (notes, consumer) = consumer(&config, topic, "none")?;
        consumer.assign(&places(topic, starts)?)?;
        Ok(Member::start(notes, consumer, Duration::from_millis(200)))
    }

    fn start(notes: Arc<Notes>, consumer: MemberConsumer, wait: Duration) -> Member {
        let (commands, asked) = channel();
        let own = Arc::clone(&notes);
        let thread = spawn(move || run(&own, consumer, wait, &asked));
        Member { notes, commands, thread: Some(thread) }
    }

    pub(crate) fn topic(&self) -> &str {
        &self.notes.topic
    }

    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.notes.events))
    }

    /// Runs the command between two polls and gives its answer.
    pub(crate) fn between<T: Send + 'static>(
        &self,
        command: impl FnOnce(&MemberConsumer) -> T + Send + 'static,
    ) -> Outcome<T> {
        let (answer, answered) = channel();
        self.commands.send(Box::new(move |consumer| {
            // Whoever asked may have gone.
            let _ = answer.send(command(consumer));
        }))?;
        Ok(answered.recv()?)
    }

    /// Does not wait: the member polls no more for so long.
    pub(crate) fn stall(&self, milliseconds: u64) -> Outcome<()> {
        Ok(self.commands.send(Box::new(move |_| sleep(Duration::from_millis(milliseconds))))?)
    }

    pub(crate) fn close(&mut self) -> Outcome<()> {
        self.notes.closing.store(true, Ordering::SeqCst);
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err("the member's thread panicked".into()),
            _ => Ok(()),
        }
    }
}

fn group_config(bootstrap: &str, group: &str, reset: &str) -> ClientConfig {
    let mut config = config(bootstrap);
    config
        .set("group.id", group)
        .set("auto.commit.interval.ms", "200")
        .set("auto.offset.reset", if reset == "none" { "error" } else { reset })
        // Idle fetches would keep a record from being read until they end.
        .set("fetch.wait.max.ms", "100")
        // How long partitions that the topic gets meanwhile stay unnoticed.
        .set("topic.metadata.refresh.interval.ms", "2000");
    config
}

fn consumer(config: &ClientConfig, topic: &str, commits: &str) -> Outcome<(Arc<Notes>, MemberConsumer)> {
    let notes = Arc::new(Notes {
        topic: topic.to_owned(),
        commits: commits.to_owned(),
        closing: AtomicBool::new(false),
        events: Mutex::new(Vec::new()),
        uncommitted: Mutex::new(BTreeMap::new()),
    });
    let consumer = config.create_with_context(Seen(Arc::clone(&notes)))?;
    Ok((notes, consumer))
}

fn run(notes: &Notes, consumer: MemberConsumer, wait: Duration, commands: &Receiver<Command>) {
    let closing = || notes.closing.load(Ordering::SeqCst);
    while !closing() {
        while let Ok(command) = commands.try_recv() {
            command(&consumer);
        }
        if !step(notes, &consumer, wait) {
            break;
        }
    }
    while !closing() {
        sleep(IDLE);
    }
    // What is not committed is when the partitions go, which closing, the end of the consumer, brings about.
    drop(consumer);
}

/// One poll, what else is there, and what the member commits of it; false after an error that ends it.
fn step(notes: &Notes, consumer: &MemberConsumer, wait: Duration) -> bool {
    let mut next = consumer.poll(wait);
    for _ in 0..RECORDS_AT_ONCE {
        match next {
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                notes.note(&format!("record {partition} {offset} {}", text(message.key())));
                locked(&notes.uncommitted).insert(partition, offset + 1);
            }
            Some(Err(error)) if ends(&error) => {
                notes.note(&format!("error {error:?}"));
                return false;
            }
            Some(Err(_)) => {}
            None => break,
        }
        next = consumer.poll(Duration::ZERO);
    }
    match notes.commits.as_str() {
        "sync" => notes.commit(consumer, CommitMode::Sync),
        "async" => notes.commit(consumer, CommitMode::Async),
        _ => {}
    }
    true
}

fn ends(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || error.rdkafka_error_code().is_some_and(|code| ENDING.contains(&code))
}
