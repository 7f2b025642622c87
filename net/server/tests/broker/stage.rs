//! A broker and its clients in a simulated world.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::base::config::{LoadedConfig, Properties, UnknownKeys};
use millrace_rt::Seat;
use millrace_rt::world::{DiskFault, World, WorldOptions};
use millrace_server::{BrokerContext, BrokerSettings, serve_shard};

const BROKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENTS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PORT: u16 = 9092;
/// Where a scenario does not say otherwise.
pub(crate) const MEMORY_BYTES: u64 = 64 << 20;

/// Longer than any scenario takes in virtual time.
const LIMIT: Duration = Duration::from_secs(600);

const SEEDS: std::ops::Range<u64> = 0..3;

/// What a scenario may use.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) context: BrokerContext,
    /// What is to happen to the broker's disk.
    pub(crate) disk: Rc<Cell<Option<DiskFault>>>,
    /// The most memory that the broker's first shard had in use.
    pub(crate) memory_peak: Rc<Cell<u64>>,
    /// The longest turn of one of the broker's tasks, by the real clock.
    pub(crate) longest_turn: Rc<Cell<Duration>>,
    /// Payload that the broker's first shard had copied when it was looked at last.
    pub(crate) copied_bytes: Rc<Cell<u64>>,
}

/// How often memory and copies are looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

fn settings(shards: u16, keys: &[(&str, &str)]) -> BrokerSettings {
    let mut properties = Properties::default();
    properties.set("listeners", format!("PLAINTEXT://{BROKER}:{PORT}"));
    properties.set("millrace.journal.bytes", "4MiB");
    for (key, value) in keys {
        properties.set(key, *value);
    }
    let loaded =
        LoadedConfig::load(&properties, UnknownKeys::Refuse).expect("the settings of a test are right");
    let memory_bytes = loaded.broker.memory_bytes().unwrap_or(MEMORY_BYTES);
    BrokerSettings {
        config: Arc::new(loaded.broker),
        data_dir: PathBuf::from("/data"),
        shards,
        memory_bytes,
        host_name: "broker".to_owned(),
    }
}

/// Plays a scenario against a broker of `shards` shards, with several seeds.
/// Afterwards the broker is stopped and must have ended cleanly.
pub(crate) fn play<F, Fut>(shards: u16, keys: &[(&str, &str)], scenario: F)
where
    F: Fn(Stage) -> Fut + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    for seed in SEEDS {
        play_seed(seed, shards, keys, scenario.clone());
    }
}

/// The same with one seed, for what does not depend on the order of things.
pub(crate) fn play_once<F, Fut>(shards: u16, keys: &[(&str, &str)], scenario: F)
where
    F: Fn(Stage) -> Fut + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    play_seed(SEEDS.start, shards, keys, scenario);
}

fn play_seed<F, Fut>(seed: u64, shards: u16, keys: &[(&str, &str)], scenario: F)
where
    F: Fn(Stage) -> Fut + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let mut world = World::new(seed, WorldOptions::default());
    let context = BrokerContext::new(settings(shards, keys), None).expect("the settings of a test are right");
    let broker = world.add_node(BROKER);
    let stage = Stage {
        longest_turn: world.longest_turn(broker),
        address: SocketAddr::from((BROKER, PORT)),
        context: context.clone(),
        disk: Rc::default(),
        memory_peak: Rc::default(),
        copied_bytes: Rc::default(),
    };
    let failure = Rc::new(RefCell::new(None));
    let (watched, failed) = (stage.clone(), failure.clone());
    let served = context.clone();
    world.start(broker, shards, move |seat: Seat| {
        let (context, watched, failed) = (served.clone(), watched.clone(), failed.clone());
        async move {
            if seat.shard == 0 {
                millrace_rt::spawn(watch(watched));
            }
            if let Err(error) = serve_shard(context, seat).await {
                *failed.borrow_mut() = Some(error);
            }
        }
    });
    let clients = world.add_node(CLIENTS);
    let ended = Rc::new(Cell::new(false));
    let (seen, disk) = (ended.clone(), stage.disk.clone());
    let ready = context.ready();
    world.start(clients, 1, move |_| {
        let (stage, scenario, ended, ready) = (stage.clone(), scenario.clone(), ended.clone(), ready.clone());
        async move {
            ready.wait().await;
            scenario(stage).await;
            ended.set(true);
        }
    });
    let done = loop {
        let fault = Rc::new(Cell::new(None));
        let done = world.run_until(LIMIT, || {
            fault.set(disk.take());
            seen.get() || fault.get().is_some()
        });
        match fault.get() {
            Some(fault) => world.set_fault(broker, fault),
            None => break done,
        }
    };
    assert!(
        done,
        "seed {seed}: the scenario did not end; {:?} {:?}",
        failure.borrow(),
        world.end_reason(broker)
    );
    context.stop();
    world.run_for(Duration::from_secs(20));
    assert!(!world.is_running(broker), "seed {seed}: the broker did not stop");
    assert!(failure.borrow().is_none(), "seed {seed}: {:?}", failure.borrow());
    assert_eq!(world.end_reason(broker), None, "seed {seed}");
}

async fn watch(stage: Stage) {
    let peak = &stage.memory_peak;
    loop {
        peak.set(peak.get().max(millrace_rt::memory().in_use_bytes));
        stage.copied_bytes.set(millrace_rt::copied_bytes());
        millrace_rt::sleep(LOOK).await;
    }
}
