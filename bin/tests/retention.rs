//! A small disk under a long load: what is on it stays within what retention allows.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use millrace_core::base::config::{LoadedConfig, Properties, UnknownKeys, listen_on};
use millrace_server::{BoundListener, Broker, BrokerSettings, Stopper};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");
const MEMORY_BYTES: u64 = 256 << 20;
const READY_WITHIN: Duration = Duration::from_secs(30);

const PARTITIONS: u64 = 2;
const SEGMENT_BYTES: u64 = 1 << 20;
const RETENTION_BYTES: u64 = 2 << 20;
/// What the files of all partitions may take.
const DISK_BYTES: u64 = PARTITIONS * (RETENTION_BYTES + 2 * SEGMENT_BYTES);
/// How often the load writes as much as that.
const TIMES_OVER: u64 = 10;
/// Bytes of values in a second; slow enough for a busy machine.
const BYTES_PER_SECOND: u64 = 12_000_000;
const RECORD_BYTES: u64 = 4096;
/// Between two looks at the disk.
const LOOK: Duration = Duration::from_millis(10);

/// A broker on threads of its own; stopped with the test.
struct Embedded {
    stopper: Stopper,
    running: Option<JoinHandle<()>>,
    dir: PathBuf,
    address: String,
}

impl Embedded {
    fn start(name: &str) -> Embedded {
        // Not under /tmp: that may be a tmpfs, which has no direct I/O.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let mut properties = Properties::default();
        listen_on(&mut properties, "127.0.0.1", 0);
        properties.set("log.dirs", dir.join("data").to_str().unwrap());
        properties.set("millrace.journal.bytes", "4MiB");
        let loaded = LoadedConfig::load(&properties, UnknownKeys::Refuse).unwrap();
        let settings = BrokerSettings {
            shards: 1,
            config: Arc::new(loaded.broker),
            data_dir: dir.join("data"),
            memory_bytes: MEMORY_BYTES,
            host_name: "localhost".to_owned(),
        };
        let (ready, listening) = mpsc::channel();
        let on_ready = move |listeners: &[BoundListener], _| ready.send(listeners[0].address).unwrap();
        let broker = Broker::new(settings, Box::new(on_ready)).unwrap();
        let stopper = broker.stopper();
        let running = Some(std::thread::spawn(move || broker.run().unwrap()));
        let address = listening.recv_timeout(READY_WITHIN).unwrap().to_string();
        Embedded { stopper, running, dir, address }
    }

    fn topics(&self) -> PathBuf {
        self.dir.join("data/topics")
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stopper.stop();
        let _ = self.running.take().map(JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Bytes that the file system gave to all files below, whatever their names. Files may go while they are counted.
fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

#[test]
fn a_disk_that_is_overwritten_ten_times_stays_within_its_limit() {
    let broker = Embedded::start("overwrite");
    let seconds = (TIMES_OVER * DISK_BYTES).div_ceil(BYTES_PER_SECOND) + 1;
    let json = broker.dir.join("bench.json");
    let mut command = Command::new(PROGRAM);
    command.args(["bench", "--quiet", "--bootstrap", &broker.address, "--topic", "small", "--warm-up", "0"]);
    for (flag, value) in [
        ("--partitions", PARTITIONS.to_string()),
        ("--record-size", RECORD_BYTES.to_string()),
        ("--rate", (BYTES_PER_SECOND / RECORD_BYTES).to_string()),
        ("--duration", seconds.to_string()),
        ("--topic-config", format!("segment.bytes={SEGMENT_BYTES}")),
        ("--topic-config", format!("retention.bytes={RETENTION_BYTES}")),
        ("--topic-config", "file.delete.delay.ms=0".to_owned()),
    ] {
        command.args([flag, &value]);
    }
    let mut load = command.arg("--json").arg(&json).spawn().unwrap();
    let mut largest = 0;
    let status = loop {
        largest = largest.max(disk_bytes(&broker.topics()));
        match load.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    assert!(status.success());
    let value: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let written = value.pointer("/phases/0/parts/0/bytes").and_then(Value::as_f64).unwrap();
    assert!(written >= (TIMES_OVER * DISK_BYTES) as f64, "{written} bytes were written");
    assert!(largest <= DISK_BYTES, "{largest} bytes of {DISK_BYTES} after {written} were written");
    assert!(largest > PARTITIONS * RETENTION_BYTES, "{largest} bytes: more is deleted than has to be");
    println!("{written} bytes written, at most {largest} of {DISK_BYTES} bytes on disk");
}
