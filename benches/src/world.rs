//! A shard with one topic on a simulated machine: the shipped append and fetch paths,
//! without a kernel below them.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::Offset;
use millrace_core::base::config::{LoadedConfig, Properties, UnknownKeys};
use millrace_core::meta::NewTopic;
use millrace_rt::world::{World, WorldOptions};
use millrace_shard::{
    AppendPartition, Engine, EngineSettings, FetchPartition, FetchQuery, Isolation, Shard, ValidateOnly,
};

use crate::samples::key;

/// Small, since all of it is zeroed before the first round: a count has that in both of its runs.
const JOURNAL_BYTES: u64 = 8 << 20;
const MEMORY_BYTES: u64 = 256 << 20;
const PRODUCE_VERSION: i16 = 12;
const FETCH_BYTES: usize = 8 << 20;
/// Virtual time after which a run is stuck.
const LIMIT: Duration = Duration::from_secs(3600);

/// Boots one shard with a topic of so many partitions and runs `body` on it. The same each time,
/// to the instruction.
pub fn on_a_shard<T: 'static>(partitions: i32, body: impl AsyncFn(Shard) -> T + Clone + 'static) -> T {
    // What the world draws itself is not to be counted.
    let options =
        WorldOptions { long_turn_one_in: None, checks_invariants: false, ..WorldOptions::default() };
    let mut world = World::new(1, options);
    let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
    let Ok(loaded) = LoadedConfig::load(&Properties::default(), UnknownKeys::Refuse) else {
        unreachable!("the defaults are valid")
    };
    let engine = Engine::new(EngineSettings {
        data_dir: PathBuf::from("/data"),
        journal_dir: None,
        shm_dir: PathBuf::from("/dev/shm"),
        journal_bytes: JOURNAL_BYTES,
        memory_bytes: MEMORY_BYTES,
        broker: Arc::new(loaded.broker),
        endpoints: Vec::new(),
        shards: 1,
    });
    let outcome = Rc::new(RefCell::new(None));
    let ended = Rc::clone(&outcome);
    world.start(node, 1, move |seat| {
        let (engine, ended, body) = (engine.clone(), Rc::clone(&ended), body.clone());
        async move {
            let opened = engine.open(seat).await;
            let Ok(shard) = opened else { unreachable!("an empty directory opens") };
            let topic = NewTopic { partitions, ..NewTopic::named("topic", key(0).topic) };
            let created = shard.create_topics(vec![topic], ValidateOnly::No).await;
            assert!(created.iter().all(Result::is_ok), "the topic is made");
            let outcome = body(shard).await;
            *ended.borrow_mut() = Some(outcome);
        }
    });
    world.run_until(LIMIT, || outcome.borrow().is_some());
    let Some(outcome) = outcome.take() else { unreachable!("the shard is stuck") };
    outcome
}

/// Appends a batch to each of these partitions, as one request does, and waits until all are durable.
pub async fn append(shard: &Shard, partitions: Range<i32>, records: &Bytes) {
    let append = |partition| AppendPartition {
        key: key(partition),
        records: records.clone(),
        produce_version: PRODUCE_VERSION,
    };
    let outcomes = shard.admit_append(partitions.map(append).collect()).await.await;
    assert!(outcomes.iter().all(Result::is_ok), "the sample is what a producer sends");
}

/// What a fetch of partitions from offset 0 on brings, in bytes.
pub async fn fetch(shard: &Shard, partitions: Range<i32>) -> usize {
    let wanted = |partition| FetchPartition {
        key: key(partition),
        offset: Offset::ZERO,
        max_bytes: FETCH_BYTES,
        current_leader_epoch: None,
    };
    let query = FetchQuery {
        partitions: partitions.map(wanted).collect(),
        max_wait: Duration::ZERO,
        min_bytes: 1,
        max_bytes: FETCH_BYTES,
        isolation: Isolation::ReadUncommitted,
    };
    let fetched = shard.fetch(query).await;
    let records = fetched.iter().filter_map(|partition| partition.result.as_ref().ok());
    records.flat_map(|fetched| &fetched.records).map(Bytes::len).sum()
}
