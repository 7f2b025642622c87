//! Runs a body on both kernels.

use std::cell::RefCell;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_rt::world::{World, WorldOptions};
use millrace_rt::{Gate, MeshEnd, Seat, Settings, run};

/// Seeds that each subject runs with in the simulated world.
const SEEDS: std::ops::Range<u64> = 0..12;
const LIMIT: Duration = Duration::from_secs(60);

/// What a body may use.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) seat: Seat,
    /// An empty directory for this run.
    pub(crate) dir: PathBuf,
    /// Closed at the start of each run, the same for all shards.
    pub(crate) gate: Gate,
    /// A directory for shared memory.
    pub(crate) shm: PathBuf,
}

/// The body runs on `shards` shards of each kernel.
pub(crate) fn on_both<F, Fut>(name: &'static str, shards: u16, body: F)
where
    F: Fn(Place) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    on_uring(name, shards, body.clone());
    for seed in SEEDS {
        on_world(name, seed, shards, body.clone());
    }
}

/// The same with one mesh end per shard.
pub(crate) fn with_mesh<Q, R, F, Fut>(name: &'static str, shards: u16, capacity: usize, body: F)
where
    Q: Send + 'static,
    R: Send + 'static,
    F: Fn(Place, MeshEnd<Q, R>) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let fresh = || {
        let ends = millrace_rt::mesh(shards, capacity).into_iter().map(Some).collect();
        EndedBody { ends: Arc::new(Mutex::new(ends)), body: body.clone() }
    };
    let ended = fresh();
    on_uring(name, shards, move |place| ended.call(place));
    for seed in SEEDS {
        let ended = fresh();
        on_world(name, seed, shards, move |place| ended.call(place));
    }
}

type Ends<Q, R> = Vec<Option<MeshEnd<Q, R>>>;

/// A body that gets its shard's end of a mesh.
struct EndedBody<Q, R, F> {
    ends: Arc<Mutex<Ends<Q, R>>>,
    body: F,
}

impl<Q, R, F: Clone> Clone for EndedBody<Q, R, F> {
    fn clone(&self) -> Self {
        EndedBody { ends: Arc::clone(&self.ends), body: self.body.clone() }
    }
}

impl<Q, R, F> EndedBody<Q, R, F> {
    fn call<Fut>(&self, place: Place) -> Fut
    where
        F: Fn(Place, MeshEnd<Q, R>) -> Fut,
    {
        let end = self.ends.lock().unwrap()[usize::from(place.seat.shard)].take().unwrap();
        (self.body)(place, end)
    }
}

#[expect(clippy::disallowed_methods, reason = "the directory is made before there is a runtime")]
pub(crate) fn on_uring<F, Fut>(name: &str, shards: u16, body: F)
where
    F: Fn(Place) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let tag = format!("millrace-rt-{}-{name}", std::process::id());
    let dir = std::env::temp_dir().join(&tag);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let shm = PathBuf::from("/dev/shm").join(&tag);
    std::fs::create_dir_all(&shm).unwrap();
    let place =
        Place { seat: Seat { shard: 0, shards }, dir: dir.clone(), gate: Gate::new(), shm: shm.clone() };
    let settings =
        Settings { shards, memory_bytes: 128 << 20, directory: dir.clone(), name: name.to_owned() };
    run(settings, move |seat| body(Place { seat, ..place.clone() })).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::remove_dir_all(&shm).unwrap();
}

pub(crate) fn on_world<F, Fut>(name: &str, seed: u64, shards: u16, body: F)
where
    F: Fn(Place) -> Fut + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let mut world = World::new(seed, WorldOptions::default());
    let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
    let ended = Rc::new(RefCell::new(0));
    let count = Rc::clone(&ended);
    let gate = Gate::new();
    world.start(node, shards, move |seat| {
        let (dir, shm) = (PathBuf::from("/data/run"), PathBuf::from("/dev/shm"));
        let place = Place { seat, dir, gate: gate.clone(), shm };
        let (body, count) = (body.clone(), Rc::clone(&count));
        async move {
            millrace_rt::fs::create_dir_all(&place.dir).await.unwrap();
            body(place).await;
            *count.borrow_mut() += 1;
        }
    });
    let done = world.run_until(LIMIT, || *ended.borrow() == shards);
    assert!(done, "{name}, seed {seed}: {:#?}", world.trace());
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Bytes that tell their position.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(31) >> 3) as u8 ^ at as u8).collect()
}
