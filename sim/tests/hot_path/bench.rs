//! A shard with one topic on a simulated machine, and what calls of it cost.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::config::{LoadedConfig, Properties, UnknownKeys};
use millrace_core::base::{Offset, PartitionIndex, PartitionKey, TimestampMs, TopicId};
use millrace_core::journal::JOURNAL_BYTES_MIN;
use millrace_core::log::{BatchBuilder, BatchRecord, Codec};
use millrace_core::meta::NewTopic;
use millrace_rt::world::{Crash, DiskFault, NodeId, World, WorldOptions};
use millrace_shard::{
    AppendPartition, Engine, EngineSettings, FetchError, FetchPartition, FetchQuery, Isolation, Shard,
    ValidateOnly,
};

pub(crate) const TOPIC: TopicId = TopicId([7; 16]);

/// The shard that a test asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) partitions: i32,
    pub(crate) memory_bytes: u64,
    pub(crate) journal_bytes: u64,
    /// Segment files that it keeps open.
    pub(crate) open_files: usize,
    /// A body that takes longer is stuck.
    pub(crate) lasts_at_most: Duration,
}

impl Setting {
    pub(crate) const USUAL: Setting = Setting {
        partitions: 1,
        memory_bytes: 64 << 20,
        journal_bytes: 4 * JOURNAL_BYTES_MIN,
        open_files: usize::MAX,
        lasts_at_most: Duration::from_secs(60),
    };
}

/// Boots one shard with a topic of one partition and runs `body` on it.
pub(crate) fn on_a_shard<T: 'static>(body: impl AsyncFn(Shard) -> T + Clone + 'static) -> T {
    on_such_a_shard(Setting::USUAL, body)
}

/// Boots one shard with a topic and runs `body` on it.
pub(crate) fn on_such_a_shard<T: 'static>(
    setting: Setting,
    body: impl AsyncFn(Shard) -> T + Clone + 'static,
) -> T {
    let mut world = World::new(1, WorldOptions::default());
    let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
    boot(&mut world, node, setting, body)
}

/// The same with a second body, behind the end of the process and another start.
pub(crate) fn before_and_after_a_crash<T: 'static>(
    before: impl AsyncFn(Shard) + Clone + 'static,
    after: impl AsyncFn(Shard) -> T + Clone + 'static,
) -> T {
    let mut world = World::new(1, WorldOptions::default());
    let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
    boot(&mut world, node, Setting::USUAL, before);
    world.crash(node, Crash::Process);
    boot(&mut world, node, Setting::USUAL, after)
}

/// Boots one shard with a topic, runs `before` on it, gives its machine a fault, and runs `after`; then
/// whether the disk refused anything.
pub(crate) fn around_a_fault(
    setting: Setting,
    before: impl AsyncFn(&Shard) + Clone + 'static,
    fault: DiskFault,
    after: impl AsyncFn(&Shard) + Clone + 'static,
) -> u64 {
    let mut world = World::new(1, WorldOptions::default());
    let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
    let (reached, given): (Rc<Cell<bool>>, Rc<Cell<bool>>) = Default::default();
    let (reaches, is_given) = (Rc::clone(&reached), Rc::clone(&given));
    let done = start(&mut world, node, setting, async move |shard| {
        before(&shard).await;
        reaches.set(true);
        while !is_given.get() {
            millrace_rt::sleep(Duration::from_millis(1)).await;
        }
        after(&shard).await;
    });
    assert!(world.run_until(setting.lasts_at_most, move || reached.get()), "the shard is stuck");
    world.set_fault(node, fault);
    given.set(true);
    assert!(world.run_until(setting.lasts_at_most, move || done.borrow().is_some()), "the shard is stuck");
    world.full_disk_refusals(node)
}

fn boot<T: 'static>(
    world: &mut World,
    node: NodeId,
    setting: Setting,
    body: impl AsyncFn(Shard) -> T + Clone + 'static,
) -> T {
    let answer = start(world, node, setting, body);
    let done = Rc::clone(&answer);
    assert!(world.run_until(setting.lasts_at_most, move || done.borrow().is_some()), "the shard is stuck");
    let answer = answer.borrow_mut().take();
    answer.unwrap()
}

/// Starts the shard; what `body` answers is there once it has ended.
fn start<T: 'static>(
    world: &mut World,
    node: NodeId,
    setting: Setting,
    body: impl AsyncFn(Shard) -> T + Clone + 'static,
) -> Rc<RefCell<Option<T>>> {
    let engine = Engine::new(EngineSettings {
        data_dir: PathBuf::from("/data"),
        journal_dir: None,
        shm_dir: PathBuf::from("/dev/shm"),
        journal_bytes: setting.journal_bytes,
        memory_bytes: setting.memory_bytes,
        broker: Arc::new(LoadedConfig::load(&Properties::default(), UnknownKeys::Refuse).unwrap().broker),
        endpoints: Vec::new(),
        shards: 1,
    });
    engine.limit_open_files(setting.open_files);
    let answer: Rc<RefCell<Option<T>>> = Rc::default();
    let answered = Rc::clone(&answer);
    world.start(node, 1, move |seat| {
        let (engine, answered, body) = (engine.clone(), Rc::clone(&answered), body.clone());
        async move {
            let shard = engine.open(seat).await.unwrap();
            if shard.image().topic("topic").is_none() {
                let topic = NewTopic { partitions: setting.partitions, ..NewTopic::named("topic", TOPIC) };
                assert!(shard.create_topics(vec![topic], ValidateOnly::No).await.iter().all(Result::is_ok));
            }
            let value = body(shard).await;
            *answered.borrow_mut() = Some(value);
        }
    });
    answer
}

pub(crate) fn key(partition: i32) -> PartitionKey {
    PartitionKey::new(TOPIC, PartitionIndex(partition))
}

/// A batch of `count` records with `bytes` bytes of value each.
pub(crate) fn batch(codec: Codec, count: usize, bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for number in 0..count {
        let mut value = vec![0; bytes];
        value.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 31 + number * 7) as u8);
        builder.push(BatchRecord::of_value(TimestampMs(1_700_000_000_000 + number as i64), &value));
    }
    builder.build().into()
}

/// What one call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) allocations: u64,
    /// Memory of these allocations together.
    pub(crate) taken_bytes: u64,
    pub(crate) copied_bytes: u64,
}

impl Cost {
    /// Of a call and everything that its shard does meanwhile.
    pub(crate) async fn of<T>(call: impl Future<Output = T>) -> (T, Cost) {
        let (before, copied) = (millrace_rt::allocations(), millrace_rt::copied_bytes());
        let answer = call.await;
        let after = millrace_rt::allocations();
        let cost = Cost {
            allocations: after.calls - before.calls,
            taken_bytes: after.taken_bytes - before.taken_bytes,
            copied_bytes: millrace_rt::copied_bytes() - copied,
        };
        (answer, cost)
    }

    /// What the cheapest twentieth of many calls take at most: the single cheapest one may have met a chance
    /// that another size of batch never meets.
    pub(crate) fn low(costs: &[Cost]) -> Cost {
        Cost::behind(costs, costs.len() / 20)
    }

    /// The least of each: what a call takes when no list grows,
    /// no new chunk begins and no other task is at work.
    pub(crate) fn least(costs: &[Cost]) -> Cost {
        Cost::behind(costs, 0)
    }

    /// Of each the least behind so many lesser ones.
    fn behind(costs: &[Cost], lesser: usize) -> Cost {
        let behind = |of: fn(&Cost) -> u64| {
            let mut all: Vec<u64> = costs.iter().map(of).collect();
            *all.select_nth_unstable(lesser).1
        };
        Cost {
            allocations: behind(|cost| cost.allocations),
            taken_bytes: behind(|cost| cost.taken_bytes),
            copied_bytes: behind(|cost| cost.copied_bytes),
        }
    }
}

/// Appends one batch and waits until it is durable.
pub(crate) async fn append(shard: &Shard, partition: i32, records: Bytes) {
    append_to(shard, key(partition), records).await;
}

/// The same, to any topic's partition.
pub(crate) async fn append_to(shard: &Shard, key: PartitionKey, records: Bytes) {
    let append = AppendPartition { key, records, produce_version: 9 };
    let outcomes = shard.admit_append(vec![append]).await.await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// What a fetch from `offset` on brings: pieces and bytes.
pub(crate) async fn fetch(shard: &Shard, partition: i32, offset: Offset) -> (usize, usize) {
    let records = fetch_records(shard, partition, offset).await;
    (records.len(), records.iter().map(Bytes::len).sum())
}

/// The pieces that a fetch from `offset` on brings.
pub(crate) async fn fetch_records(shard: &Shard, partition: i32, offset: Offset) -> Vec<Bytes> {
    fetch_key(shard, key(partition), offset).await
}

/// The same, of any topic's partition.
pub(crate) async fn fetch_key(shard: &Shard, key: PartitionKey, offset: Offset) -> Vec<Bytes> {
    fetch_some(shard, key, offset, 8 << 20).await
}

/// How many bytes a fetch from `offset` on brings that may bring so many.
pub(crate) async fn fetch_at_most(shard: &Shard, partition: i32, offset: Offset, max_bytes: usize) -> usize {
    fetch_some(shard, key(partition), offset, max_bytes).await.iter().map(Bytes::len).sum()
}

async fn fetch_some(shard: &Shard, key: PartitionKey, offset: Offset, max_bytes: usize) -> Vec<Bytes> {
    try_fetch(shard, key, offset, max_bytes).await.unwrap()
}

/// What a fetch brings, or why nothing.
pub(crate) async fn try_fetch(
    shard: &Shard,
    key: PartitionKey,
    offset: Offset,
    max_bytes: usize,
) -> Result<Vec<Bytes>, FetchError> {
    let partition = FetchPartition { key, offset, max_bytes, current_leader_epoch: None };
    let query = FetchQuery {
        partitions: vec![partition],
        max_wait: Duration::ZERO,
        min_bytes: 1,
        max_bytes,
        isolation: Isolation::ReadUncommitted,
    };
    shard.fetch(query).await.remove(0).result.map(|fetched| fetched.records)
}
