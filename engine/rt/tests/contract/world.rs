//! What only the simulated world can show: crashes, faults and replay.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_rt::world::{Crash, DiskFault, NodeId, World, WorldOptions, log};
use millrace_rt::{
    Block, File, Listener, OpenOptions, SharedMemory, Stream, Sync, end_process, fs, shared_memory_life,
    sleep, spawn,
};

const WRITE: OpenOptions = OpenOptions { create: true, create_new: false, write: true, direct: false };
const LIMIT: Duration = Duration::from_secs(10);

fn one_node(seed: u64) -> (World, NodeId) {
    let mut world = World::new(seed, WorldOptions::default());
    let node = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
    (world, node)
}

/// Boots the node with one shard and runs the body to its end, or until the node stops.
fn boot<Fut: Future<Output = ()> + 'static>(
    world: &mut World,
    node: NodeId,
    body: impl Fn() -> Fut + Clone + 'static,
) -> bool {
    let ended = Rc::new(Cell::new(false));
    let end = Rc::clone(&ended);
    world.start(node, 1, move |_| {
        let (body, end) = (body.clone(), Rc::clone(&end));
        async move {
            body().await;
            end.set(true);
            std::future::pending::<()>().await;
        }
    });
    world.run_until(LIMIT, || ended.get())
}

async fn file_with_entry(path: &Path) -> File {
    fs::create_dir_all(path.parent().unwrap()).await.unwrap();
    let file = File::open(path, WRITE).await.unwrap();
    for dir in path.ancestors().skip(1) {
        fs::sync_dir(dir).await.unwrap();
    }
    file
}

fn bytes_of(value: u8, len: usize) -> Bytes {
    Bytes::from(vec![value; len])
}

#[test]
fn a_dsync_write_hardens_itself_and_nothing_else() {
    let path = PathBuf::from("/data/file");
    let mut lost = 0;
    for seed in 0..40 {
        let (mut world, node) = one_node(seed);
        assert!(boot(&mut world, node, || async {
            let file = file_with_entry(Path::new("/data/file")).await;
            file.write_all_at(0, bytes_of(1, 4096), Sync::None).await.unwrap();
            file.write_all_at(4096, bytes_of(2, 4096), Sync::Dsync).await.unwrap();
        }));
        world.crash(node, Crash::Power);
        let left = world.durable_file(node, &path).unwrap();
        assert_eq!(left[4096..8192], [2; 4096]);
        assert!(left[..4096].iter().all(|byte| *byte == 0 || *byte == 1));
        lost += usize::from(left[..4096].contains(&0));
    }
    assert!(lost > 0, "an unsynced write was never lost");
}

#[test]
fn a_process_crash_keeps_what_was_written_and_shared() {
    let (mut world, node) = one_node(1);
    let region = Path::new("/dev/shm/ring");
    assert!(boot(&mut world, node, || async {
        let file = file_with_entry(Path::new("/data/file")).await;
        file.write_all_at(0, bytes_of(1, 100), Sync::None).await.unwrap();
        SharedMemory::create(region, 4096).await.unwrap().write(0, b"kept");
    }));
    world.crash(node, Crash::Process);
    assert!(!world.is_running(node));
    assert!(boot(&mut world, node, || async {
        assert_eq!(fs::read(Path::new("/data/file")).await.unwrap(), [1; 100]);
        assert_eq!(&SharedMemory::open(region).await.unwrap().bytes()[..4], b"kept");
        assert_eq!(shared_memory_life(Path::new("/dev/shm")).await.unwrap(), "life 0");
    }));
    world.crash(node, Crash::Process);
    world.limit_shared_memory(node, 8192);
    assert!(boot(&mut world, node, || async {
        let other = Path::new("/dev/shm/other");
        assert_eq!(fs::available_space(region).await.unwrap().bytes, 4096);
        assert_eq!(
            SharedMemory::create(other, 8192).await.err().unwrap().kind(),
            std::io::ErrorKind::StorageFull
        );
        SharedMemory::create(other, 4096).await.unwrap();
    }));
    world.crash(node, Crash::Power);
    assert!(boot(&mut world, node, || async {
        assert!(SharedMemory::open(region).await.is_err());
        assert_eq!(shared_memory_life(Path::new("/dev/shm")).await.unwrap(), "life 1");
    }));
}

#[test]
fn a_lock_is_of_one_node_and_ends_with_its_process() {
    let path = Path::new("/tmp/lock");
    let (mut world, holder) = one_node(1);
    let other = world.add_node(Ipv4Addr::new(10, 0, 0, 2));
    world.start(other, 1, move |_| async move {
        sleep(Duration::from_millis(10)).await;
        drop(fs::lock(path).await.unwrap());
    });
    assert!(boot(&mut world, holder, move || async move {
        let held = fs::lock(path).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(fs::lock(path).await.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
    }));
    assert!(!world.is_running(other), "it had its lock, and ended");
    world.crash(holder, Crash::Process);
    assert!(boot(&mut world, holder, move || async move { drop(fs::lock(path).await.unwrap()) }));
}

#[test]
fn an_entry_is_lost_until_its_directory_is_synced() {
    let mut lost = 0;
    for seed in 0..40 {
        let (mut world, node) = one_node(seed);
        assert!(boot(&mut world, node, || async {
            drop(file_with_entry(Path::new("/data/kept")).await);
            let file = File::open(Path::new("/data/unsynced"), WRITE).await.unwrap();
            file.write_all_at(0, bytes_of(1, 10), Sync::Dsync).await.unwrap();
        }));
        world.crash(node, Crash::Power);
        let files = world.files(node);
        assert!(files.contains(&PathBuf::from("/data/kept")), "seed {seed}");
        lost += usize::from(files.len() == 1);
    }
    assert!(lost > 0 && lost < 40, "{lost} of 40");
}

#[test]
fn what_is_not_hard_in_a_directory_goes_with_it() {
    let mut kept = 0;
    for seed in 0..40 {
        let (mut world, node) = one_node(seed);
        assert!(boot(&mut world, node, || async {
            let (old, new) = (Path::new("/data/old"), Path::new("/data/new"));
            fs::create_dir_all(old).await.unwrap();
            File::open(&old.join("first"), WRITE).await.unwrap();
            fs::rename(old, new).await.unwrap();
            for dir in ["/", "/data"] {
                fs::sync_dir(Path::new(dir)).await.unwrap();
            }
            fs::create_dir_all(old).await.unwrap();
            File::open(&old.join("second"), WRITE).await.unwrap();
        }));
        world.crash(node, Crash::Power);
        let files = world.files(node);
        assert!(!files.contains(&PathBuf::from("/data/old/first")), "{files:?}");
        kept += usize::from(files.contains(&PathBuf::from("/data/new/first")));
    }
    assert!((1..40).contains(&kept), "{kept} of 40 kept the file");
}

#[test]
fn replace_leaves_the_old_or_the_new_at_every_crash() {
    for operation in 0..12 {
        for (seed, kind) in [(1, Crash::Power), (2, Crash::Power), (3, Crash::Process)] {
            let (mut world, node) = one_node(seed);
            let path = Path::new("/data/file");
            assert!(boot(&mut world, node, || async {
                drop(file_with_entry(path).await);
                fs::replace(path, vec![1; 3000]).await.unwrap();
            }));
            world.crash(node, Crash::Process);
            world.crash_at(node, world.disk_operations(node) + 1 + operation, kind);
            let ended = boot(&mut world, node, || async {
                fs::replace(path, vec![2; 5000]).await.unwrap();
            });
            if ended {
                world.crash(node, Crash::Power);
            }
            let left = world.durable_file(node, path).unwrap();
            let old_or_new = left == vec![1; 3000] || left == vec![2; 5000];
            assert!(old_or_new && (!ended || left[0] == 2), "crash at {operation}, {kind:?}");
        }
    }
}

#[test]
fn planted_faults_show() {
    let file = || file_with_entry(Path::new("/data/file"));
    let check = |fault, body: fn(File) -> std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        let (mut world, node) = one_node(7);
        world.set_fault(node, fault);
        assert!(boot(&mut world, node, move || async move { body(file().await).await }), "{fault:?}");
        world
    };
    check(DiskFault::FailWrite(2), |file| {
        Box::pin(async move {
            file.write_at(0, bytes_of(1, 512), Sync::None).await.unwrap();
            assert!(file.write_at(512, bytes_of(1, 512), Sync::None).await.is_err());
        })
    });
    check(DiskFault::ShortWrite(1), |file| {
        Box::pin(async move {
            assert_eq!(file.write_at(0, bytes_of(1, 4096), Sync::None).await.unwrap(), 2048);
            file.write_all_at(2048, bytes_of(1, 2048), Sync::None).await.unwrap();
        })
    });
    check(DiskFault::Full(4096), |file| {
        Box::pin(async move {
            file.write_all_at(0, bytes_of(1, 4096), Sync::None).await.unwrap();
            let error = file.write_at(4096, bytes_of(1, 512), Sync::None).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            file.write_all_at(0, bytes_of(2, 4096), Sync::None).await.unwrap();
        })
    });
    check(DiskFault::ReadError(1), |file| {
        Box::pin(async move {
            let block = Block::with_capacity(512);
            let (read, block) = file.read_at(0, block, 512).await;
            assert!(read.is_err());
            assert_eq!(file.read_at(0, block, 512).await.0.unwrap(), 0);
        })
    });
    let world = check(DiskFault::IgnoreDsync, |file| {
        Box::pin(async move {
            file.write_all_at(0, bytes_of(1, 512), Sync::Dsync).await.unwrap();
        })
    });
    assert!(world.trace().iter().any(|line| line.contains("IgnoreDsync")));
}

#[test]
fn a_full_disk_says_what_is_free_and_what_is_deleted_makes_room() {
    let (mut world, node) = one_node(9);
    world.set_fault(node, DiskFault::Full(10_000));
    assert!(boot(&mut world, node, || async {
        let dir = Path::new("/data");
        drop(file_with_entry(&dir.join("file")).await);
        let free = async || fs::available_space(Path::new("/data")).await.unwrap().bytes;
        assert_eq!(free().await, 10_000);
        let file = File::open(&dir.join("file"), WRITE).await.unwrap();
        file.write_all_at(0, bytes_of(1, 4096), Sync::None).await.unwrap();
        file.allocate(4096, 4096).await.unwrap();
        assert_eq!(free().await, 10_000 - 8192);
        assert!(file.allocate(8192, 4096).await.is_err());
        file.truncate(512).await.unwrap();
        assert_eq!(free().await, 10_000 - 512);
        fs::remove_file(&dir.join("file")).await.unwrap();
        assert_eq!(free().await, 10_000);
    }));
    assert_eq!(world.full_disk_refusals(node), 1);
}

#[test]
fn a_disk_without_inodes_makes_no_files_until_one_is_deleted() {
    let (mut world, node) = one_node(9);
    world.set_fault(node, DiskFault::FewInodes(3));
    assert!(boot(&mut world, node, || async {
        let dir = Path::new("/data");
        drop(file_with_entry(&dir.join("file")).await);
        let free = async || fs::available_space(Path::new("/data")).await.unwrap().inodes;
        let left = free().await;
        for number in 0..left {
            fs::create_dir_all(&dir.join(number.to_string())).await.unwrap();
        }
        let is_full = |made: std::io::Result<()>| made.unwrap_err().kind() == std::io::ErrorKind::StorageFull;
        assert!(is_full(fs::create_dir_all(&dir.join("more")).await));
        assert!(is_full(File::open(&dir.join("more"), WRITE).await.map(drop)));
        drop(File::open(&dir.join("file"), WRITE).await.unwrap());
        fs::remove_file(&dir.join("file")).await.unwrap();
        assert_eq!(free().await, 1);
        fs::create_dir_all(&dir.join("more")).await.unwrap();
    }));
    assert_eq!(world.full_disk_refusals(node), 2);
}

#[test]
fn a_short_direct_write_is_continued_at_a_whole_block() {
    let (mut world, node) = one_node(9);
    world.set_fault(node, DiskFault::ShortWrite(1));
    assert!(boot(&mut world, node, || async {
        drop(file_with_entry(Path::new("/data/file")).await);
        let file = File::open(Path::new("/data/file"), OpenOptions { direct: true, ..WRITE }).await.unwrap();
        let mut block = Block::with_capacity(12_288);
        block.as_mut_slice().fill(3);
        // Half of three blocks arrives: one and a half.
        file.write_all_at(0, block.freeze().slice(..12_288), Sync::None).await.unwrap();
        assert_eq!(fs::read(Path::new("/data/file")).await.unwrap(), vec![3; 12_288]);
    }));
}

#[test]
fn a_direct_write_that_finds_room_for_part_of_a_block_says_that_the_disk_is_full() {
    for room in [100, 600, 1_600, 5_000] {
        let (mut world, node) = one_node(9);
        world.set_fault(node, DiskFault::Full(room));
        assert!(boot(&mut world, node, || async {
            drop(file_with_entry(Path::new("/data/file")).await);
            let options = OpenOptions { direct: true, ..WRITE };
            let file = File::open(Path::new("/data/file"), options).await.unwrap();
            let block = Block::with_capacity(8_192);
            let written = file.write_all_at(0, block.freeze().slice(..8_192), Sync::None).await;
            assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        }));
    }
}

#[test]
fn an_ignored_dsync_is_seen_at_a_power_loss() {
    let mut lost = 0;
    for seed in 0..20 {
        let (mut world, node) = one_node(seed);
        world.set_fault(node, DiskFault::IgnoreDsync);
        assert!(boot(&mut world, node, || async {
            let file = file_with_entry(Path::new("/data/file")).await;
            file.write_all_at(0, bytes_of(1, 4096), Sync::Dsync).await.unwrap();
        }));
        world.crash(node, Crash::Power);
        lost += usize::from(world.durable_file(node, Path::new("/data/file")).unwrap() != vec![1; 4096]);
    }
    assert!(lost > 10, "{lost} of 20");
}

#[test]
fn a_node_that_ends_itself_leaves_its_reason() {
    let (mut world, node) = one_node(3);
    let ended = boot(&mut world, node, || async { end_process("the disk is gone".to_owned()).await });
    assert!(!ended && !world.is_running(node));
    assert_eq!(world.end_reason(node).as_deref(), Some("the disk is gone"));
    assert!(world.trace().iter().any(|line| line.contains("the disk is gone")));
}

#[test]
fn a_world_in_which_nothing_can_happen_says_so() {
    let (mut world, node) = one_node(4);
    world.start(node, 1, |_| std::future::pending());
    assert!(!world.run_until(LIMIT, || false));
    assert!(world.trace().last().unwrap().contains("nothing can happen"));
}

#[test]
fn a_crash_resets_connections_and_the_node_serves_again() {
    for seed in 0..10 {
        let mut world = World::new(seed, WorldOptions::default());
        let server = world.add_node(Ipv4Addr::new(10, 0, 0, 1));
        let client = world.add_node(Ipv4Addr::new(10, 0, 0, 2));
        let address = SocketAddr::from(([10, 0, 0, 1], 9092));
        let serve = move |_| async move {
            let listener = Listener::bind(SocketAddr::from(([0, 0, 0, 0], 9092))).await.unwrap();
            while let Ok(stream) = listener.accept().await {
                spawn(async move {
                    let stream = Stream::attach(stream);
                    let (count, block) = stream.recv(Block::with_capacity(64), 0).await;
                    let Ok(count) = count else { return };
                    let _ = stream.send(vec![block.freeze().slice(..count)]).await;
                    std::future::pending::<()>().await;
                });
            }
        };
        let rounds = Rc::new(Cell::new(0));
        let seen = Rc::clone(&rounds);
        world.start(server, 1, serve);
        world.start(client, 1, move |_| {
            let seen = Rc::clone(&seen);
            async move {
                loop {
                    let Ok(stream) = Stream::connect(address).await else {
                        sleep(Duration::from_millis(1)).await;
                        continue;
                    };
                    stream.send(vec![Bytes::from_static(b"x")]).await.unwrap();
                    if stream.recv(Block::with_capacity(64), 0).await.0.is_ok_and(|count| count == 1) {
                        seen.set(seen.get() + 1);
                    }
                    let end = stream.recv(Block::with_capacity(64), 0).await.0;
                    assert!(end.is_err(), "a crash resets");
                }
            }
        });
        assert!(world.run_until(LIMIT, || rounds.get() == 1));
        world.crash(server, Crash::Process);
        world.run_for(Duration::from_millis(5));
        world.start(server, 1, serve);
        assert!(world.run_until(LIMIT, || rounds.get() == 2), "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let (mut world, node) = one_node(seed);
        let order = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&order);
        boot(&mut world, node, move || {
            let order = Rc::clone(&seen);
            async move {
                let file = Rc::new(file_with_entry(Path::new("/data/file")).await);
                let tasks: Vec<_> = (0..20u64)
                    .map(|index| {
                        let (file, order) = (Rc::clone(&file), Rc::clone(&order));
                        spawn(async move {
                            file.write_all_at(index * 512, bytes_of(1, 512), Sync::Dsync).await.unwrap();
                            order.borrow_mut().push(index);
                            log(format!("{index} is written, {}", millrace_rt::random_u64()));
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await;
                }
            }
        });
        let order = order.borrow().clone();
        (order, world.trace().to_vec())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}

#[test]
fn files_made_together_are_hard_behind_a_sync_of_the_file_system() {
    const FILES: [&str; 3] = ["/data/a/file", "/data/b/file", "/data/c/file"];
    let mut seen = [0; FILES.len() + 1];
    for (seed, is_synced) in (0..60).zip([false, false, true].into_iter().cycle()) {
        let (mut world, node) = one_node(seed);
        assert!(boot(&mut world, node, move || async move {
            fs::create_dir_all(Path::new("/data")).await.unwrap();
            fs::sync_dir(Path::new("/")).await.unwrap();
            let made = fs::create_alone(FILES.map(PathBuf::from).to_vec()).await.unwrap();
            assert!(made.iter().all(Result::is_ok));
            if is_synced {
                fs::sync_fs(Path::new("/data")).await.unwrap();
            }
        }));
        world.crash(node, Crash::Power);
        let left = FILES.iter().filter(|path| world.files(node).contains(&PathBuf::from(path))).count();
        assert!(!is_synced || left == FILES.len(), "seed {seed}: {left}");
        seen[left] += usize::from(!is_synced);
    }
    assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
}

#[test]
fn a_crash_comes_between_a_directory_and_its_file() {
    let file = Path::new("/data/a/file");
    for operation in 1..=2 {
        let (mut world, node) = one_node(1);
        assert!(boot(&mut world, node, || async { fs::create_dir_all(Path::new("/data")).await.unwrap() }));
        world.crash(node, Crash::Process);
        world.crash_at(node, world.disk_operations(node) + operation, Crash::Process);
        assert!(!boot(&mut world, node, move || async move {
            let _ = fs::create_alone(vec![file.to_path_buf()]).await;
        }));
        assert!(!world.files(node).contains(&file.to_path_buf()));
        assert!(boot(&mut world, node, move || async move {
            assert_eq!(fs::exists(file.parent().unwrap()).await.unwrap(), operation == 2);
        }));
    }
}
