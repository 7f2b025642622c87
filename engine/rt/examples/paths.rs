//! Measures what registered memory and zero-copy sends save on this machine: the same bytes on either way,
//! in turns.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a tool for the terminal")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bare ring stands outside the runtime"
)]
#![allow(unsafe_code)]
// `unsafe` here: a bare ring and its memory. Each turn waits for all it has begun before it returns, and the
// memory lives until the process ends.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::{IoUring, cqueue, opcode, types};

const ROUNDS: usize = 11;
const TURN: Duration = Duration::from_millis(250);
const KIB: usize = 1024;
const HUGE: usize = 2 << 20;
/// What a turn's operations use of registered memory, one part each.
const MEMORY_BYTES: usize = 4 << 20;
/// Of the file that is read and written.
const FILE_BYTES: u64 = 256 << 20;
/// Reads in flight, as many as a shard's loaders have.
const DEPTH: usize = 4;
/// The kernel is asked to say whether it copied after all.
const REPORT_USAGE: u16 = 1 << 3;
/// `io_uring_notif_usage`: it did.
const COPIED: i32 = i32::MIN;

fn main() {
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let dir = PathBuf::from(std::env::var("MEASURE_DIR").unwrap_or("/tmp".to_owned()));
    let path = dir.join("rt-paths.dat");
    println!("medians of {ROUNDS} turns of each way; ratios of pairs, median (least to most)");
    println!(
        "CPU-s/GB of the thread; of the process and the network's interrupts; what zero copy copied after all"
    );
    if wanted("reads") || wanted("writes") {
        fill(&path);
    }
    if wanted("reads") {
        reads(&path, Pages::Huge);
        reads(&path, Pages::Small);
    }
    if wanted("writes") {
        writes(&path);
    }
    if wanted("sends") {
        sends();
    }
    let _missing = std::fs::remove_file(&path);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pages {
    Huge,
    Small,
    /// Shared, of tmpfs, in huge pages where it has them: the journal's ring.
    Shared,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Registered,
}

/// Populated memory that is never unmapped.
fn memory(kind: Pages) -> *mut u8 {
    let all = MEMORY_BYTES + HUGE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: fresh mappings; advice changes no content; the writes lie inside.
    unsafe {
        let (flags, fd) = match kind {
            Pages::Shared => (libc::MAP_SHARED, libc::memfd_create(c"rt-paths".as_ptr(), 0)),
            Pages::Huge | Pages::Small => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
        };
        if kind == Pages::Shared {
            assert_eq!(libc::ftruncate(fd, all as i64), 0, "shared memory has its length");
        }
        let begin = libc::mmap(std::ptr::null_mut(), all, access, flags, fd, 0).cast::<u8>();
        assert_ne!(begin.cast(), libc::MAP_FAILED, "memory is there");
        let begin = begin.add(begin.align_offset(HUGE));
        let advice = if kind == Pages::Small { libc::MADV_NOHUGEPAGE } else { libc::MADV_HUGEPAGE };
        libc::madvise(begin.cast(), MEMORY_BYTES, advice);
        std::ptr::write_bytes(begin, 0x5a, MEMORY_BYTES);
        if kind == Pages::Shared {
            libc::madvise(begin.cast(), MEMORY_BYTES, libc::MADV_COLLAPSE);
        }
        begin
    }
}

/// A ring as a shard has it, with the memory as its one registered buffer.
fn ring(memory: *mut u8) -> IoUring {
    let mut builder = IoUring::builder();
    let ring = builder.setup_single_issuer().setup_defer_taskrun().build(64).expect("a ring");
    let whole = libc::iovec { iov_base: memory.cast(), iov_len: MEMORY_BYTES };
    // SAFETY: the memory is never unmapped.
    unsafe { ring.submitter().register_buffers(&[whole]) }.expect("registered memory: see RLIMIT_MEMLOCK");
    ring
}

fn push(ring: &mut IoUring, entry: &Entry) {
    // SAFETY: as the file's head says.
    unsafe { ring.submission().push(entry) }.expect("the ring has room");
}

fn next(ring: &mut IoUring) -> cqueue::Entry {
    loop {
        if let Some(completion) = ring.completion().next() {
            return completion;
        }
        ring.submit_and_wait(1).expect("the ring works");
    }
}

/// One turn of one way.
#[derive(Clone, Copy)]
struct Turn {
    bytes: f64,
    seconds: f64,
    /// Of the thread that works the ring.
    cpu: f64,
    /// Of the whole process, so of the reader as well, and of the machine's network interrupts,
    /// which belong to nobody.
    cpu_of_all: f64,
    copied: f64,
}

impl Turn {
    fn cost(&self) -> f64 {
        self.cpu / self.bytes * 1e9
    }

    fn cost_of_all(&self) -> f64 {
        self.cpu_of_all / self.bytes * 1e9
    }
}

/// Runs `step`, which answers the bytes it moved and how many of them the kernel owned to have copied.
fn turn(mut step: impl FnMut() -> (usize, usize)) -> Turn {
    let (begun, cpu, all) = (Instant::now(), cpu_time(libc::CLOCK_THREAD_CPUTIME_ID), cpu_of_all());
    let (mut bytes, mut copied) = (0, 0);
    while begun.elapsed() < TURN {
        let moved = step();
        bytes += moved.0;
        copied += moved.1;
    }
    let (cpu, cpu_of_all) = (cpu_time(libc::CLOCK_THREAD_CPUTIME_ID) - cpu, cpu_of_all() - all);
    let (bytes, seconds, copied) = (bytes as f64, begun.elapsed().as_secs_f64(), copied as f64);
    Turn { bytes, seconds, cpu, cpu_of_all, copied }
}

fn cpu_time(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer to a timespec.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn cpu_of_all() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").expect("the system's times");
    let softirq =
        stat.split_whitespace().nth(7).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID) + softirq / 100.0
}

/// All ways in turns, so that what else the machine does meets each alike.
fn compare<W: Copy>(what: &str, ways: &[(&str, W)], mut run: impl FnMut(W) -> Turn) {
    let mut turns: Vec<Vec<Turn>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, way), turns) in ways.iter().zip(&mut turns) {
            turns.push(run(*way));
        }
    }
    let Some(first) = turns.first().cloned() else { return };
    for ((name, _), turns) in ways.iter().zip(&turns) {
        let rate = spread(turns.iter().map(|turn| turn.bytes / turn.seconds / 1e6)).1;
        let cost = spread(turns.iter().map(Turn::cost)).1;
        let (least, median, most) =
            spread(turns.iter().zip(&first).map(|(this, first)| this.cost() / first.cost()));
        let all = spread(turns.iter().map(Turn::cost_of_all)).1;
        let ratio =
            spread(turns.iter().zip(&first).map(|(this, first)| this.cost_of_all() / first.cost_of_all()));
        let copied = spread(turns.iter().map(|turn| turn.copied / turn.bytes * 100.0)).1;
        println!(
            "{what:<28} {name:<13} {rate:>5.0} MB/s  {cost:.4} {median:.2}x ({least:.2} to {most:.2})  \
             {all:.3} {:.2}x ({:.2} to {:.2})  {copied:.0} %",
            ratio.1, ratio.0, ratio.2
        );
    }
}

/// Least, median and most.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)))
}

fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("a file");
    let zeros = vec![1; HUGE];
    (0..FILE_BYTES / HUGE as u64).for_each(|_| file.write_all(&zeros).expect("filled"));
    file.sync_all().expect("hardened");
}

fn part(memory: *mut u8, index: usize, bytes: usize) -> *mut u8 {
    // SAFETY: the parts of a turn lie inside the memory.
    unsafe { memory.add(index * bytes) }
}

/// Direct reads of a page of the read cache, as many in flight as a shard has loaders.
fn reads(path: &Path, kind: Pages) {
    let bytes = 256 * KIB;
    let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).expect("direct I/O");
    let fd = types::Fd(file.as_raw_fd());
    let memory = memory(kind);
    let entry = |way: Way, at: u64, index: usize| {
        let place = part(memory, index, bytes);
        let entry = match way {
            Way::Plain => opcode::Read::new(fd, place, bytes as u32).offset(at).build(),
            Way::Registered => opcode::ReadFixed::new(fd, place, bytes as u32, 0).offset(at).build(),
        };
        entry.user_data(index as u64)
    };
    let run = |way: Way| {
        let mut ring = ring(memory);
        let mut at = 0;
        turn(move || {
            (0..DEPTH).for_each(|index| push(&mut ring, &entry(way, at + (index * bytes) as u64, index)));
            at = (at + (DEPTH * bytes) as u64) % FILE_BYTES;
            for _ in 0..DEPTH {
                assert_eq!(next(&mut ring).result(), bytes as i32, "a whole read");
            }
            (DEPTH * bytes, 0)
        })
    };
    let ways = [("read", Way::Plain), ("read_fixed", Way::Registered)];
    compare(&format!("read 256 KiB, {kind:?} pages"), &ways, run);
}

/// Hardened direct writes out of the journal's kind of memory, one in flight; and of tails,
/// gathered from chunks.
fn writes(path: &Path) {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).expect("direct I/O");
    let fd = types::Fd(file.as_raw_fd());
    for (kind, kib, flags) in [
        (Pages::Shared, 4, libc::RWF_DSYNC),
        (Pages::Shared, 64, libc::RWF_DSYNC),
        (Pages::Shared, 512, libc::RWF_DSYNC),
        (Pages::Huge, 128, 0),
    ] {
        let bytes = kib * KIB;
        let memory = memory(kind);
        let run = |way: Way| {
            let mut ring = ring(memory);
            let mut at = 0;
            turn(move || {
                let entry = match way {
                    Way::Plain => {
                        opcode::Write::new(fd, memory, bytes as u32).offset(at).rw_flags(flags).build()
                    }
                    Way::Registered => opcode::WriteFixed::new(fd, memory, bytes as u32, 0)
                        .offset(at)
                        .rw_flags(flags)
                        .build(),
                };
                at = (at + bytes as u64) % FILE_BYTES;
                push(&mut ring, &entry);
                assert_eq!(next(&mut ring).result(), bytes as i32, "a whole write");
                (bytes, 0)
            })
        };
        let ways = [("write", Way::Plain), ("write_fixed", Way::Registered)];
        let sync = if flags == 0 { "" } else { ", DSYNC" };
        compare(&format!("write {kib} KiB, {kind:?}{sync}"), &ways, run);
    }
}

/// One send in flight over loopback, and a thread that reads.
fn sends() {
    let memory = memory(Pages::Huge);
    for kib in [16, 64, 128, 256, 512, 1024] {
        let bytes = kib * KIB;
        let run = |way: Send| {
            let socket = reader();
            let mut ring = ring(memory);
            let fd = socket.as_raw_fd();
            turn(move || send(&mut ring, fd, way, memory, bytes))
        };
        let ways =
            [("send", Send::Copying), ("send_zc", Send::ZeroCopy), ("send_zc_fixed", Send::ZeroCopyFixed)];
        compare(&format!("send {kib} KiB"), &ways, run);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Send {
    Copying,
    ZeroCopy,
    ZeroCopyFixed,
}

/// Sends all bytes; with zero copy it has ended when the kernel has let go of the memory.
fn send(ring: &mut IoUring, fd: RawFd, way: Send, memory: *mut u8, bytes: usize) -> (usize, usize) {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    let (fd, length) = (types::Fd(fd), bytes as u32);
    let entry = match way {
        Send::Copying => opcode::Send::new(fd, memory, length).flags(flags).build(),
        Send::ZeroCopy => opcode::SendZc::new(fd, memory, length).flags(flags).zc_flags(REPORT_USAGE).build(),
        Send::ZeroCopyFixed => {
            let send = opcode::SendZc::new(fd, memory, length).flags(flags).zc_flags(REPORT_USAGE);
            send.buf_index(Some(0)).build()
        }
    };
    push(ring, &entry);
    let sent = next(ring);
    assert_eq!(sent.result(), bytes as i32, "all is sent");
    if way == Send::Copying || !cqueue::more(sent.flags()) {
        return (bytes, bytes);
    }
    let noticed = next(ring);
    (bytes, if noticed.result() == COPIED { bytes } else { 0 })
}

/// A connection whose other end is read by a thread of its own.
fn reader() -> std::net::TcpStream {
    use std::io::Read;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    let near = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    let (mut far, _) = listener.accept().expect("accepted");
    std::thread::spawn(move || {
        let mut memory = vec![0; 256 * KIB];
        while let Ok(1..) = far.read(&mut memory) {}
    });
    near
}
