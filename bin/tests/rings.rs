//! Rings in shared memory of brokers that are killed, stopped, and copied: each belongs to one directory.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/directory.rs"]
mod directory;
#[path = "support/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use directory::Directory;
use program::{Broker, PROGRAM, copy, facts, load};

const RATE: [&str; 2] = ["--rate", "3000"];

/// A directory in the machine's shared memory; removed with the test.
struct Shm(PathBuf);

impl Shm {
    fn new(name: &str) -> Shm {
        let path = Path::new("/dev/shm").join(format!("millrace-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Shm(path)
    }

    fn rings(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut rings: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        rings.sort();
        rings
    }
}

impl Drop for Shm {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A broker whose acknowledged records survive the process.
fn spawn(data: &Path, shm: &Shm, more: &[&str]) -> Broker {
    let shm = format!("millrace.shm.dir={}", shm.0.display());
    let sets: Vec<&str> = [&*shm, "millrace.durability=process"].iter().chain(more).copied().collect();
    Broker::spawn_with(data, "2", &sets)
}

/// Exit code and damages of a check, and how many records the logs of the directory hold.
fn verify(data: &Path) -> (Option<i32>, Vec<Value>, u64) {
    let output = Command::new(PROGRAM).args(["storage", "verify", "--json"]).arg(data).output().unwrap();
    let facts = facts(&output);
    let ends = facts.iter().filter(|fact| fact["kind"] == "partition");
    let records = ends.map(|fact| fact["log_end"].as_u64().unwrap()).sum();
    let damages = facts.iter().filter(|fact| fact["kind"] == "damage").cloned().collect();
    (output.status.code(), damages, records)
}

#[test]
fn a_copy_that_is_started_beside_its_original_leaves_it_its_rings() {
    let (directory, shm) = (Directory::new("rings-copy"), Shm::new("copy"));
    let (data, copied) = (directory.0.join("data"), directory.0.join("copied"));
    let mut original = spawn(&data, &shm, &[]);
    load(&original.address(), &RATE);
    let own = shm.rings();
    assert_eq!(own.len(), 2);
    copy(&data, &copied);

    let mut beside = spawn(&copied, &shm, &[]);
    beside.address();
    let said = &beside.said;
    assert!(said.contains("this data directory is a copy of one that a broker is using"), "{said}");
    assert_eq!(shm.rings().len(), 4, "each has its own");
    original.end("KILL");
    let (code, damages, records) = verify(&data);
    assert_eq!((code, damages), (Some(0), Vec::new()));
    assert!(records >= 3000, "{records}");
    beside.end("TERM");
    assert_eq!(shm.rings(), own, "a clean stop removes its rings and no others");

    let mut original = spawn(&data, &shm, &[]);
    original.address();
    original.end("TERM");
    assert_eq!((verify(&data).2, shm.rings()), (records, Vec::new()));
}

#[test]
fn rings_that_are_elsewhere_are_found_and_lost_ones_are_missed() {
    let (directory, shm, other) = (Directory::new("rings-lost"), Shm::new("lost"), Shm::new("other"));
    let data = directory.0.join("data");
    let mut broker = spawn(&data, &shm, &[]);
    load(&broker.address(), &RATE);
    broker.end("KILL");
    let records = verify(&data).2;

    // The settings name another directory: the manifest knows better.
    let mut broker = spawn(&data, &other, &[]);
    broker.address();
    broker.end("KILL");
    assert_eq!((verify(&data).2, shm.rings()), (records, Vec::new()));

    let ring = other.rings().remove(0);
    let kept = std::fs::read(&ring).unwrap();
    std::fs::write(&ring, &kept[..kept.len() / 2]).unwrap();
    let refused = |expected: &str| {
        let (code, damages, _) = verify(&data);
        assert!(code == Some(1) && damages[0]["file"] == ring.to_str().unwrap(), "{damages:?}");
        assert!(damages[0]["what"].as_str().unwrap().contains(expected), "{damages:?}");
        let (code, said) = spawn(&data, &other, &[]).ended();
        assert!(code == Some(3) && said.contains(ring.to_str().unwrap()), "{code:?}: {said}");
        assert!(said.contains(expected), "{said}");
    };
    refused("this ring has 8388608 bytes");
    std::fs::remove_file(&ring).unwrap();
    refused("this ring is missing");
    let mut broker = spawn(&data, &other, &["millrace.lost.rings=accept"]);
    broker.address();
    assert!(broker.said.contains("the ring of the last run is gone"), "{}", broker.said);
    broker.end("TERM");
    assert_eq!((verify(&data).0, other.rings()), (Some(0), Vec::new()));
}
