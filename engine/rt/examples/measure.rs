//! Measures the runtime: echo over loopback, durable writes, mesh hops, start of several shards,
//! overshoot of timers.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a tool for the terminal")]

use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{
    Block, File, Listener, Moment, OpenOptions, Seat, Settings, Stream, Sync, mesh, now, run, sleep, spawn,
    yield_now,
};

const ECHO_BYTES: usize = 1024;
const ECHO_TIME: Duration = Duration::from_secs(2);
const WRITES: usize = 2_000;
const HOPS: usize = 5_000;

fn main() {
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("start") {
        on_shards(3, |_| async {});
    }
    if wanted("timer") {
        on_shards(1, |_| timers());
    }
    for connections in [1, 16] {
        if wanted("echo") {
            on_shards(1, move |_| echo(connections));
        }
    }
    if wanted("disk") {
        on_shards(1, |_| disk());
    }
    if wanted("mesh") {
        hops(false);
        hops(true);
    }
    if wanted("idle") {
        on_shards(1, |_| idle());
    }
}

fn on_shards<F, Fut>(shards: u16, body: F)
where
    F: Fn(Seat) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let directory = std::env::temp_dir();
    let settings = Settings { shards, memory_bytes: 64 << 20, directory, name: "measure".to_owned() };
    let before = cpu_and_wall();
    run(settings, body).expect("the shards run");
    let after = cpu_and_wall();
    println!(
        "  {shards} shards: {:.1} ms wall, {:.1} ms CPU",
        (after.1 - before.1) * 1e3,
        (after.0 - before.0) * 1e3
    );
}

/// Seconds of this process on the processors, and seconds since boot.
fn cpu_and_wall() -> (f64, f64) {
    let clock = |id| {
        let time = nix_clock(id);
        time.0 as f64 + time.1 as f64 / 1e9
    };
    (clock(libc::CLOCK_PROCESS_CPUTIME_ID), clock(libc::CLOCK_MONOTONIC))
}

#[expect(unsafe_code, reason = "the CPU time of the process has no safe call in std")]
fn nix_clock(id: libc::clockid_t) -> (i64, i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer to a timespec.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    (time.tv_sec, time.tv_nsec)
}

fn report(name: &str, mut nanos: Vec<u64>) {
    nanos.sort_unstable();
    let at = |share: f64| {
        nanos.get(((nanos.len() as f64 * share) as usize).min(nanos.len() - 1)).copied().unwrap_or(0) as f64
            / 1e3
    };
    println!("{name}: n {} p50 {:.1} us p99 {:.1} us max {:.1} us", nanos.len(), at(0.5), at(0.99), at(1.0));
}

fn since(moment: Moment) -> u64 {
    now().since(moment).as_nanos() as u64
}

async fn idle() {
    let before = cpu_and_wall();
    sleep(Duration::from_secs(3)).await;
    let after = cpu_and_wall();
    println!("idle for 3 s: {:.3} ms CPU", (after.0 - before.0) * 1e3);
}

async fn timers() {
    let first = now();
    sleep(Duration::from_millis(1)).await;
    println!("first sleep of 1 ms took {:.3} ms", since(first) as f64 / 1e6);
    let mut over = Vec::new();
    for _ in 0..500 {
        let begin = now();
        sleep(Duration::from_millis(1)).await;
        over.push(since(begin) - 1_000_000);
    }
    report("overshoot of 1 ms sleeps", over);
}

async fn serve(listener: Listener) {
    while let Ok(stream) = listener.accept().await {
        spawn(async move {
            let stream = Stream::attach(stream);
            let mut block = Block::with_capacity(ECHO_BYTES);
            loop {
                let (received, filled) = stream.recv(block, 0).await;
                let Ok(count @ 1..) = received else { return };
                let bytes = filled.freeze().slice(..count);
                if stream.send(vec![bytes]).await.is_err() {
                    return;
                }
                block = Block::with_capacity(ECHO_BYTES);
            }
        });
    }
}

/// The server alone is a shard; the clients are blocking threads of the system,
/// as in the figures of bare rings.
async fn echo(connections: usize) {
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("bound");
    let address = listener.local_addr();
    spawn(serve(listener));
    let done = millrace_rt::Gate::new();
    let gate = done.clone();
    std::thread::Builder::new()
        .spawn(move || {
            load(address, connections);
            gate.open();
        })
        .expect("a client thread");
    let before = thread_cpu();
    done.wait().await;
    let used = thread_cpu() - before;
    println!("  server thread CPU {used:.2} s");
}

fn thread_cpu() -> f64 {
    let time = nix_clock(libc::CLOCK_THREAD_CPUTIME_ID);
    time.0 as f64 + time.1 as f64 / 1e9
}

#[expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "clients stand outside the runtime")]
fn load(address: std::net::SocketAddr, connections: usize) {
    use std::io::{Read, Write};
    let mut streams: Vec<_> = (0..connections)
        .map(|_| {
            let stream = std::net::TcpStream::connect(address).expect("connected");
            stream.set_nodelay(true).expect("no delay");
            stream
        })
        .collect();
    let begin = std::time::Instant::now();
    let mut nanos = Vec::new();
    let mut buffer = [7u8; ECHO_BYTES];
    while begin.elapsed() < ECHO_TIME {
        let sent = std::time::Instant::now();
        for stream in &mut streams {
            stream.write_all(&buffer).expect("sent");
        }
        for stream in &mut streams {
            stream.read_exact(&mut buffer).expect("received");
        }
        nanos.push(sent.elapsed().as_nanos() as u64);
    }
    let requests = nanos.len() * connections;
    let rate = requests as f64 / begin.elapsed().as_secs_f64();
    println!("echo of 1 KiB, {connections} connections: {rate:.0} requests/s");
    report("  round", nanos);
}

async fn disk() {
    let path = PathBuf::from(std::env::var("MEASURE_FILE").unwrap_or("/tmp/rt-measure.dat".to_owned()));
    let options = OpenOptions { create: true, write: true, direct: true, ..OpenOptions::default() };
    let file = File::open(&path, options).await.expect("a file for direct I/O");
    let zeros = Block::with_capacity(1 << 20).freeze();
    for at in 0..8u64 {
        file.write_all_at(at << 20, zeros.clone(), Sync::None).await.expect("zeroed");
    }
    file.sync_data().await.expect("hardened");
    let page = Block::with_capacity(4096).freeze();
    let mut nanos = Vec::new();
    for turn in 0..WRITES {
        let begin = now();
        let at = (turn % 2048) as u64 * 4096;
        file.write_all_at(at, page.clone(), Sync::Dsync).await.expect("written");
        nanos.push(since(begin));
    }
    report("direct DSYNC write of 4 KiB on written extents", nanos);
    millrace_rt::fs::remove_file(&path).await.expect("removed");
}

fn hops(busy: bool) {
    let ends = mesh::<u64, u64>(2, 256);
    let ends = std::sync::Arc::new(std::sync::Mutex::new(ends.into_iter().map(Some).collect::<Vec<_>>()));
    on_shards(2, move |seat| {
        let ends = std::sync::Arc::clone(&ends);
        async move {
            let end =
                ends.lock().expect("no panic before").get_mut(usize::from(seat.shard)).and_then(Option::take);
            let mesh = end.expect("one end each").attach();
            if seat.shard == 1 {
                answer(mesh, busy).await;
            } else {
                ask(mesh, busy).await;
            }
        }
    });
}

async fn answer(mesh: millrace_rt::Mesh<u64, u64>, busy: bool) {
    let stop = Rc::new(std::cell::Cell::new(false));
    if busy {
        let stop = Rc::clone(&stop);
        spawn(async move {
            while !stop.get() {
                yield_now().await;
            }
        });
    }
    loop {
        let incoming = mesh.next().await;
        let request = incoming.request;
        incoming.respond.send(request);
        if request == 0 {
            stop.set(true);
            return;
        }
    }
}

async fn ask(mesh: millrace_rt::Mesh<u64, u64>, busy: bool) {
    let mut nanos = Vec::new();
    for _ in 0..HOPS {
        let begin = now();
        mesh.admit(1, 1).await.await;
        nanos.push(since(begin));
    }
    mesh.admit(1, 0).await.await;
    report(if busy { "mesh round trip, peer busy" } else { "mesh round trip, both parked" }, nanos);
}
