//! A world as a test sees it: add nodes, boot them, crash them, look at their disks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::kernel::Kernel;
use crate::memory::block::{Home, PoolBounds};
use crate::memory::pages::MemoryKind;
use crate::moment::Moment;
use crate::shard::{self, Parts, Seat, Shard};
use crate::submission::names::ShardKey;
use crate::submission::remote::Remote;
use crate::submission::slots::Slots;
use crate::twin::disk::{Crash, Disk, DiskFault};
use crate::twin::inode::Inode;
use crate::twin::port::Port;
use crate::twin::state::{Node, Twin};
use crate::world::tasks::Tasks;

/// One simulated machine of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A disk with all that is on it and its count of operations.
#[derive(Clone)]
pub struct DiskCopy(Disk);

/// What a world is like.
#[derive(Clone, Copy, Debug)]
pub struct WorldOptions {
    /// Bound of the freed blocks that each shard keeps.
    pub pooled_bytes: usize,
    /// The longest that one poll of a task takes, in virtual nanoseconds; the shortest is a tenth of it.
    pub compute_nanos_max: u64,
    /// One poll of so many takes much longer: a large request is decoded, a log has many batches. None:
    /// no poll does.
    pub long_turn_one_in: Option<u64>,
    /// Whether invariants are checked after each turn. Not where instructions are counted.
    pub checks_invariants: bool,
}

impl Default for WorldOptions {
    fn default() -> WorldOptions {
        WorldOptions {
            pooled_bytes: 4 << 20,
            compute_nanos_max: 5_000,
            long_turn_one_in: Some(2_000),
            checks_invariants: true,
        }
    }
}

/// A shard that runs in the world.
pub(super) struct Living {
    pub(super) shard: Rc<Shard>,
    pub(super) ready: Vec<u64>,
    /// Its processor is taken until then.
    pub(super) busy_until: Moment,
}

/// Why a node stops.
#[derive(Clone, Copy)]
enum Halt {
    /// All of its main futures have ended.
    Exit,
    Crash(Crash),
}

/// Machines, their disks and the network between them, on one thread and in virtual time. The same seed and
/// the same calls give the same run.
pub struct World {
    pub(super) twin: Rc<RefCell<Twin>>,
    pub(super) options: WorldOptions,
    pub(super) living: BTreeMap<ShardKey, Living>,
    pub(super) tasks: Tasks,
    pub(super) trace: Vec<String>,
    /// By node.
    pub(super) longest_turns: BTreeMap<u32, Rc<Cell<Duration>>>,
}

impl World {
    pub fn new(seed: u64, options: WorldOptions) -> World {
        World {
            twin: Rc::new(RefCell::new(Twin::new(seed))),
            options,
            living: BTreeMap::new(),
            tasks: Tasks::default(),
            trace: Vec::new(),
            longest_turns: BTreeMap::new(),
        }
    }

    /// A machine with an empty disk; it does nothing before it is started.
    pub fn add_node(&mut self, ip: Ipv4Addr) -> NodeId {
        let mut twin = self.twin.borrow_mut();
        twin.nodes.push(Node::new(ip));
        NodeId(u32::try_from(twin.nodes.len() - 1).unwrap_or(u32::MAX))
    }

    /// Boots a node that does not run: one main future per shard, as `run` does.
    /// It exits when all have ended.
    pub fn start<F, Fut>(&mut self, node: NodeId, shards: u16, main: F)
    where
        F: Fn(Seat) -> Fut + Clone + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        assert!(!self.is_running(node), "{node:?} runs already");
        let mut twin = self.twin.borrow_mut();
        let slots: Vec<Rc<Slots>> = (0..shards).map(|_| Rc::default()).collect();
        let state = twin.node(node.0);
        state.boot += 1;
        state.running = true;
        state.end_reason = None;
        state.mains = shards;
        state.slots.clone_from(&slots);
        let boot = state.boot;
        twin.line(&format!("node {} boots with {shards} shards", node.0));
        drop(twin);
        for (shard, slots) in (0..shards).zip(slots) {
            let key = ShardKey { node: node.0, boot, shard };
            self.start_shard(key, Seat { shard, shards }, slots, main.clone());
        }
    }

    pub fn is_running(&self, node: NodeId) -> bool {
        self.twin.borrow_mut().node(node.0).running
    }

    /// What the node itself gave as the reason of its end.
    pub fn end_reason(&self, node: NodeId) -> Option<String> {
        self.twin.borrow_mut().node(node.0).end_reason.clone()
    }

    /// Ends the node now; nothing if it does not run, but for a power loss,
    /// which also takes what a dead process left.
    pub fn crash(&mut self, node: NodeId, kind: Crash) {
        self.halt(node.0, Halt::Crash(kind));
    }

    /// Crashes the node just before its n-th disk operation takes effect, counted as in `disk_operations`.
    pub fn crash_at(&mut self, node: NodeId, disk_operation: u64, kind: Crash) {
        self.twin.borrow_mut().node(node.0).storage.disk.crash_at = Some((disk_operation, kind));
    }

    /// Writes, syncs, truncates, renames, unlinks and creations since the node was added.
    pub fn disk_operations(&self, node: NodeId) -> u64 {
        self.twin.borrow_mut().node(node.0).storage.disk.operations
    }

    /// Reads since the node was added.
    pub fn disk_reads(&self, node: NodeId) -> u64 {
        self.twin.borrow_mut().node(node.0).storage.disk.reads
    }

    /// Openings of files that were there, since the node was added.
    pub fn disk_opens(&self, node: NodeId) -> u64 {
        self.twin.borrow_mut().node(node.0).storage.disk.opens
    }

    /// Lookups of paths since the node was added.
    pub fn disk_lookups(&self, node: NodeId) -> u64 {
        self.twin.borrow_mut().node(node.0).storage.disk.lookups
    }

    /// The file whose write or sync failed last.
    pub fn failed_write(&self, node: NodeId) -> Option<PathBuf> {
        self.twin.borrow_mut().node(node.0).storage.disk.failed_write.clone()
    }

    /// Writes and reservations that the disk had no room for.
    pub fn full_disk_refusals(&self, node: NodeId) -> u64 {
        self.twin.borrow_mut().node(node.0).storage.disk.full_refusals
    }

    /// Whether an operation of its disk is yet to fail as [`World::set_fault`] said.
    pub fn disk_is_to_fail(&self, node: NodeId) -> bool {
        self.twin.borrow_mut().node(node.0).storage.disk.is_to_fail()
    }

    pub fn set_fault(&mut self, node: NodeId, fault: DiskFault) {
        let mut twin = self.twin.borrow_mut();
        twin.line(&format!("node {}: disk fault {fault:?}", node.0));
        twin.node(node.0).storage.disk.set_fault(fault);
    }

    /// What a power loss would certainly leave of a file.
    pub fn durable_file(&self, node: NodeId, path: &Path) -> Option<Vec<u8>> {
        let mut twin = self.twin.borrow_mut();
        twin.node(node.0).storage.disk.durable_inode(path).map(|inode| inode.durable.clone())
    }

    /// Changes a file behind the node's back, in both images.
    pub fn edit_file(&mut self, node: NodeId, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut twin = self.twin.borrow_mut();
        let disk = &mut twin.node(node.0).storage.disk;
        let Ok(id) = disk.file(path) else { panic!("{node:?} has no file {}", path.display()) };
        if let Some(inode) = disk.inodes.get_mut(&id) {
            let mut contents = inode.live.clone();
            edit(&mut contents);
            *inode = Inode::hard(contents);
        }
    }

    /// Puts a file, with the directory that it is in, on the disk behind the node's back.
    pub fn put_file(&mut self, node: NodeId, path: &Path, contents: Vec<u8>) {
        self.twin.borrow_mut().node(node.0).storage.disk.put(path, contents);
    }

    /// Takes files and directories away behind the node's back, from both images;
    /// a directory with all that is in it.
    pub fn remove_path(&mut self, node: NodeId, path: &Path) {
        self.twin.borrow_mut().node(node.0).storage.vanish(path);
    }

    /// Copies a directory of a node that does not run, with all that is in it.
    pub fn copy_path(&mut self, node: NodeId, from: &Path, to: &Path) {
        assert!(!self.is_running(node), "{node:?} runs");
        self.twin.borrow_mut().node(node.0).storage.disk.copy_tree(from, to);
    }

    /// Makes a directory, which may be yet to come, a file system of its own:
    /// a sync of another one does not reach it.
    pub fn mount(&mut self, node: NodeId, path: &Path) {
        self.twin.borrow_mut().node(node.0).storage.disk.mounts.push(path.to_path_buf());
    }

    /// How many bytes the node's shared memory holds, from now on.
    pub fn limit_shared_memory(&mut self, node: NodeId, bytes: u64) {
        self.twin.borrow_mut().node(node.0).storage.memory_max = bytes;
    }

    /// The files that the node has in shared memory.
    pub fn shared_files(&self, node: NodeId) -> Vec<PathBuf> {
        self.twin.borrow_mut().node(node.0).storage.region_files()
    }

    /// Cuts a file in shared memory to this length, behind the node's back.
    pub fn cut_shared_file(&mut self, node: NodeId, path: &Path, bytes: usize) {
        self.twin.borrow_mut().node(node.0).storage.cut_region(path, bytes);
    }

    /// The disk of a node that does not run, to be put into nodes of other worlds.
    pub fn disk(&self, node: NodeId) -> DiskCopy {
        assert!(!self.is_running(node), "{node:?} runs");
        DiskCopy(self.twin.borrow_mut().node(node.0).storage.disk.clone())
    }

    /// Gives a node that does not run another disk.
    pub fn put_disk(&mut self, node: NodeId, disk: &DiskCopy) {
        assert!(!self.is_running(node), "{node:?} runs");
        self.twin.borrow_mut().node(node.0).storage.put_disk(disk.0.clone());
    }

    /// All files that the node sees, shared memory not counted.
    pub fn files(&self, node: NodeId) -> Vec<PathBuf> {
        self.twin.borrow_mut().node(node.0).storage.disk.files()
    }

    /// Bytes of blocks that the shards of a node hold; their peak begins anew.
    pub fn mark_block_peak(&mut self, node: NodeId) -> u64 {
        self.homes(node).map(|home| home.mark_peak() as u64).sum()
    }

    /// The most that each of the node's shards held since `mark_block_peak`, together.
    pub fn block_peak(&self, node: NodeId) -> u64 {
        self.homes(node).map(|home| home.peak_bytes() as u64).sum()
    }

    fn homes(&self, node: NodeId) -> impl Iterator<Item = &Arc<Home>> {
        let of_node = self.living.iter().filter(move |(key, _)| key.node == node.0);
        of_node.map(|(_, living)| &living.shard.home)
    }

    /// The longest turn of a task of the node, by the real clock, since whoever looks set it back: how long
    /// it kept the others of its shard from running. Nothing in the world goes by it.
    pub fn longest_turn(&mut self, node: NodeId) -> Rc<Cell<Duration>> {
        Rc::clone(self.longest_turns.entry(node.0).or_default())
    }

    /// What happened, line by line, with its moment.
    pub fn trace(&self) -> &[String] {
        &self.trace
    }

    fn start_shard<F, Fut>(&mut self, key: ShardKey, seat: Seat, slots: Rc<Slots>, main: F)
    where
        F: Fn(Seat) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let mut twin = self.twin.borrow_mut();
        let parts = Parts {
            kernel: Kernel::World(Port { twin: Rc::clone(&self.twin), key }),
            slots,
            home: Home::new(
                PoolBounds { free_max: self.options.pooled_bytes, total_max: 0 },
                MemoryKind::Simulated,
            ),
            remote: Remote::in_world(Arc::clone(&twin.notes), key),
            random: twin.chance.fork(),
        };
        let shard = Shard::new(parts);
        let state = Rc::downgrade(&self.twin);
        let body = Box::pin(async move {
            main(seat).await;
            if let Some(twin) = state.upgrade() {
                let mut twin = twin.borrow_mut();
                let node = twin.node(key.node);
                node.mains = node.mains.saturating_sub(1);
            }
        });
        twin.spawned.push((key, body));
        let busy_until = twin.now;
        drop(twin);
        self.living.insert(key, Living { shard, ready: Vec::new(), busy_until });
    }

    /// Carries out what a node asked for: its end, or its exit once all of its shards are done.
    pub(super) fn end_if_asked(&mut self, node: u32) {
        let mut twin = self.twin.borrow_mut();
        let state = twin.node(node);
        if !state.running {
            return;
        }
        if let Some(reason) = state.ending.take() {
            state.end_reason = Some(reason.clone());
            twin.line(&format!("node {node} ends: {reason}"));
            drop(twin);
            self.halt(node, Halt::Crash(Crash::Process));
        } else if state.mains == 0 {
            drop(twin);
            self.halt(node, Halt::Exit);
        }
    }

    pub(super) fn crash_node(&mut self, node: u32, kind: Crash) {
        self.halt(node, Halt::Crash(kind));
    }

    fn halt(&mut self, node: u32, halt: Halt) {
        let mut twin = self.twin.borrow_mut();
        let was_running = std::mem::replace(&mut twin.node(node).running, false);
        let text = match halt {
            Halt::Exit => "exits".to_owned(),
            Halt::Crash(kind) => {
                format!(
                    "crashes: {kind:?}, after {} disk operations",
                    twin.node(node).storage.disk.operations
                )
            }
        };
        twin.line(&format!("node {node} {text}"));
        if was_running {
            twin.end_writes(node, matches!(halt, Halt::Crash(_)));
            twin.network.crash(node);
            twin.settle_network();
        }
        let machine = twin.node(node);
        machine.ending = None;
        machine.storage.end_process();
        if matches!(halt, Halt::Crash(Crash::Power)) {
            twin.lose_power(node);
        }
        drop(twin);
        self.drop_shards(node);
    }

    /// Drops tasks and shards of a node that has halted, each task while its shard is current.
    fn drop_shards(&mut self, node: u32) {
        let keys: Vec<ShardKey> = self.living.keys().filter(|key| key.node == node).copied().collect();
        let unborn = std::mem::take(&mut self.twin.borrow_mut().spawned);
        let (dead, unborn): (Vec<_>, Vec<_>) = unborn.into_iter().partition(|(key, _)| key.node == node);
        self.twin.borrow_mut().spawned.extend(unborn);
        let mut dead = dead;
        for key in keys {
            let Some(living) = self.living.remove(&key) else { continue };
            let bodies = self.tasks.take_shard(key);
            let before = shard::swap_current(Some(Rc::clone(&living.shard)));
            drop(bodies);
            living.shard.set_invariants(None);
            dead.extract_if(.., |(other, _)| *other == key).for_each(drop);
            shard::swap_current(before);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let nodes = self.twin.borrow().nodes.len();
        for node in 0..u32::try_from(nodes).unwrap_or(u32::MAX) {
            self.drop_shards(node);
        }
    }
}

/// A line in the trace of the current world; nothing outside of one.
pub fn log(text: String) {
    if let Some(shard) = shard::try_current()
        && let Kernel::World(port) = &shard.kernel
    {
        port.log(&text);
    }
}
