//! A small disk under a long load: what is on it stays within what retention allows.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/directory.rs"]
mod directory;
#[path = "support/embedded.rs"]
mod embedded;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use embedded::Embedded;

const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");

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
/// On a disk that does not keep up, the load comes again for what is left.
const ROUNDS_MAX: u64 = 20;
/// Between two looks at the disk.
const LOOK: Duration = Duration::from_millis(10);

/// Bytes that the file system gave to all files below, whatever their names.
/// Files may go while they are counted.
fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Runs the load once, looking at the disk all the while: bytes that were answered in its time,
/// and the most on disk.
fn overwrite(broker: &Embedded, seconds: u64) -> (u64, u64) {
    let json = broker.path("bench.json");
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
        largest = largest.max(disk_bytes(&broker.path("data/topics")));
        match load.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    assert!(status.success());
    let value: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    (value.pointer("/phases/0/parts/0/bytes").and_then(Value::as_u64).unwrap(), largest)
}

#[test]
fn a_disk_that_is_overwritten_ten_times_stays_within_its_limit() {
    let broker = Embedded::start("overwrite", &[("millrace.journal.bytes", "4MiB")]);
    let wanted = TIMES_OVER * DISK_BYTES;
    let (mut written, mut largest) = (0, 0);
    // Once, where the disk keeps up with the load.
    for round in 0..ROUNDS_MAX {
        if written >= wanted {
            break;
        }
        println!("round {round}: {written} bytes were written");
        let (more, most) = overwrite(&broker, (wanted - written).div_ceil(BYTES_PER_SECOND) + 1);
        written += more;
        largest = largest.max(most);
    }
    assert!(written >= wanted, "{written} bytes were written");
    assert!(largest <= DISK_BYTES, "{largest} bytes of {DISK_BYTES} after {written} were written");
    assert!(largest > PARTITIONS * RETENTION_BYTES, "{largest} bytes: more is deleted than has to be");
    println!("{written} bytes written, at most {largest} of {DISK_BYTES} bytes on disk");
}
