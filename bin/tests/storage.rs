//! `millrace storage` on directories that a real broker left: stopped, killed, damaged;
//! and what a start says of those.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/directory.rs"]
mod directory;
#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use directory::Directory;
use program::{Broker, PROGRAM, copy, facts};

impl Directory {
    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn storage(&self, command: &str, path: &Path, more: &[&str]) -> Output {
        let shm = self.0.join("shm");
        let places = ["--json", "--shm-dir", shm.to_str().unwrap()];
        let path = path.to_str().unwrap();
        Command::new(PROGRAM).args(["storage", command, path]).args(places).args(more).output().unwrap()
    }

    /// Exit code and damages of a check.
    fn verify(&self) -> (Option<i32>, Vec<Value>) {
        let output = self.storage("verify", &self.data(), &["--quiet"]);
        let mut facts = facts(&output);
        let summary = facts.pop().unwrap_or_default();
        assert_eq!(summary["kind"], "summary", "{output:?}");
        assert_eq!(summary["damages"], facts.len(), "{output:?}");
        (output.status.code(), facts)
    }

    /// The file that the next checkpoint is written to.
    fn next_checkpoint(&self) -> PathBuf {
        let dump = facts(&self.storage("dump", &self.data(), &[]));
        let checkpoints = dump.iter().filter(|fact| fact["kind"] == "checkpoint");
        let newest = checkpoints.filter_map(|fact| fact["number"].as_u64()).max().unwrap();
        self.find("slot-0").with_file_name(format!("checkpoint-{}", (newest + 1) % 2))
    }

    /// The first file of the data directory whose path ends so.
    fn find(&self, wanted: &str) -> PathBuf {
        self.look_for(wanted).unwrap()
    }

    /// The same of one that a broker is yet to write.
    fn wait_for(&self, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.look_for(wanted).is_none() {
            assert!(Instant::now() < deadline, "no {wanted}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn look_for(&self, wanted: &str) -> Option<PathBuf> {
        let mut open = vec![self.data()];
        let mut files = Vec::new();
        while let Some(dir) = open.pop() {
            // A broker that runs may have taken it away.
            let entries = std::fs::read_dir(dir).into_iter().flatten();
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() { open.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files.into_iter().find(|path| path.to_string_lossy().ends_with(wanted))
    }
}

/// The directory of a broker whose rings lie there, too.
fn prepared(name: &str) -> Directory {
    let directory = Directory::new(name);
    std::fs::create_dir(directory.0.join("shm")).unwrap();
    directory
}

/// A broker of one shard. No tmpfs: its ring lies in the directory, and goes with it.
fn spawn(directory: &Directory) -> Broker {
    let shm = format!("millrace.shm.dir={}", directory.0.join("shm").display());
    Broker::spawn_with(&directory.data(), "1", &[&shm])
}

/// A broker that took some MiB into segments of one MiB, and more than one frame into its journal.
fn loaded(directory: &Directory) -> Broker {
    loaded_with(directory, &["--rate", "3000"])
}

/// The same, with a load of its own.
fn loaded_with(directory: &Directory, load: &[&str]) -> Broker {
    let mut broker = spawn(directory);
    let more: Vec<&str> = load.iter().chain(&["--topic-config", "segment.bytes=1048576"]).copied().collect();
    program::load(&broker.address(), &more);
    broker
}

/// What is done to a file or directory.
type Harm<'a> = &'a dyn Fn(&Path);

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_directory_in_use_is_left_alone_and_none_is_named() {
    let directory = prepared("storage-in-use");
    let mut broker = spawn(&directory);
    broker.address();
    for (command, path) in [("verify", directory.data()), ("dump", directory.find("metadata.log"))] {
        let output = directory.storage(command, &path, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{command}: {said}");
        assert!(said.contains("is used by a running broker"), "{command}: {said}");
    }
    broker.end("KILL");
    let elsewhere = directory.storage("verify", &directory.0.join("shm"), &[]);
    assert_eq!(elsewhere.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("is no data directory"));
}

#[test]
fn what_a_broker_leaves_is_well_and_every_damage_is_named() {
    let directory = prepared("storage-verify");
    loaded(&directory).end("KILL");
    assert_eq!(directory.verify(), (Some(0), Vec::new()), "after kill -9");
    std::fs::write(directory.next_checkpoint(), "").unwrap();
    assert_eq!(directory.verify(), (Some(0), Vec::new()), "killed while a checkpoint was written");
    spawn(&directory).address();
    assert_eq!(directory.verify(), (Some(0), Vec::new()), "after a start, killed");
    let mut broker = spawn(&directory);
    broker.address();
    broker.end("TERM");
    assert_eq!(directory.verify(), (Some(0), Vec::new()), "after a clean stop");

    let segment = directory.find("small-0/00000000000000000000.log");
    let length = std::fs::metadata(&segment).unwrap().len() as usize;
    let batches: Vec<Value> = facts(&directory.storage("dump", &segment, &[]));
    let batches: Vec<&Value> = batches.iter().filter(|fact| fact["kind"] == "batch").collect();
    let third = &batches[2];
    let metadata = directory.find("metadata.log");
    // An entry without records, of 36 bytes, says that the change before it was durable.
    let last_change = std::fs::metadata(&metadata).unwrap().len() as usize - 36 - 5;
    let in_third = third["at"].as_u64().unwrap() as usize + 100;
    let cases = [
        (segment.clone(), in_third, "Record is corrupt"),
        (segment.with_extension("mrindex"), 30, "checksum does not match"),
        (directory.find("checkpoint-1"), 70, "does not match its checksum"),
        (directory.find("metadata.log"), 20, "does not match its checksum"),
        (metadata.clone(), last_change, "does not match its checksum"),
        (directory.find("data/node"), 20, "its checksum does not match"),
    ];
    for (path, at, expected) in cases {
        flip(&path, at);
        let (code, damages) = directory.verify();
        assert_eq!(code, Some(1), "{}", path.display());
        let named = |damage: &&Value| damage["file"] == path.to_str().unwrap();
        let damage = damages.iter().find(named).unwrap_or_else(|| panic!("{}: {damages:?}", path.display()));
        assert!(damage["what"].as_str().unwrap().contains(expected), "{damage}");
        assert!(damage["saved"].is_string() && damage["at"].is_number(), "{damage}");
        if path == segment {
            assert_eq!((&damage["at"], &damage["offset"]), (&third["at"], &third["base_offset"]));
            let saved = damage["saved"].as_str().unwrap();
            assert!(saved.contains(&format!("up to {};", third["base_offset"])), "{saved}");
            assert!(!saved.contains(" 0 batches behind"), "{saved}");
        }
        flip(&path, at);
    }
    std::fs::File::options().write(true).open(&segment).unwrap().set_len(length as u64 - 1).unwrap();
    let (code, damages) = directory.verify();
    assert!(
        code == Some(1) && damages.iter().any(|it| it["file"] == segment.to_str().unwrap()),
        "{damages:?}"
    );
}

#[test]
fn what_went_to_segments_ahead_of_the_journal_is_well() {
    let directory = prepared("storage-extents");
    loaded_with(&directory, &["--rate", "3000", "--batch-size", "300000"]).end("KILL");
    let dump = facts(&directory.storage("dump", &directory.data(), &[]));
    assert!(dump.iter().any(|fact| fact["what"] == "extent"), "such batches make extents");
    assert_eq!(directory.verify(), (Some(0), Vec::new()), "after kill -9");
    spawn(&directory).address();
    assert_eq!(directory.verify(), (Some(0), Vec::new()), "after a start, killed");
}

#[test]
fn a_start_refuses_a_corrupt_acknowledged_frame_and_says_where_it_is() {
    let directory = prepared("storage-refused");
    loaded(&directory).end("KILL");
    // The ring has a copy of the last frames; without it, as after a power loss, the slots are all there is.
    for ring in std::fs::read_dir(directory.0.join("shm")).unwrap() {
        std::fs::remove_file(ring.unwrap().path()).unwrap();
    }
    std::fs::remove_file(directory.find("journal/1/0/ring")).ok();
    let (mut first, mut slots) = (None, Vec::new());
    for slot in ["slot-0", "slot-1"].map(|name| directory.find(name)) {
        for fact in facts(&directory.storage("dump", &slot, &[])) {
            if fact["kind"] == "frame" && fact["valid"] == true {
                slots.push((fact["sequence"].as_u64().unwrap(), fact["at"].as_u64().unwrap(), slot.clone()));
            }
        }
    }
    let chain = directory.storage("verify", &directory.data(), &[]);
    for fact in facts(&chain) {
        if fact["kind"] == "chain" {
            first = fact["first"].as_u64();
        }
    }
    let (_, at, slot) = slots.into_iter().find(|(sequence, ..)| Some(*sequence) == first).unwrap();
    flip(&slot, at as usize + 70);

    let (code, said) = spawn(&directory).ended();
    assert_eq!(code, Some(3), "{said}");
    let file = slot.to_str().unwrap();
    let advice = format!("`millrace storage verify {}`", directory.data().display());
    for expected in [file, &format!("at byte {at} of slot"), &advice] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let (code, damages) = directory.verify();
    assert_eq!((code, damages.len()), (Some(1), 1), "{damages:?}");
    assert_eq!((&damages[0]["file"], &damages[0]["at"]), (&Value::from(file), &Value::from(at)));
    let saved = damages[0]["saved"].as_str().unwrap();
    assert!(saved.contains("frames behind it are whole") && !saved.contains("; 0 frames"), "{saved}");
}

#[test]
fn what_is_missing_or_short_is_named_and_no_start_goes_without_it() {
    let directory = prepared("storage-missing");
    loaded(&directory).end("KILL");
    let find = |name: &str| directory.find(name);
    let slot = find("slot-1");
    let segment = find("small-0/00000000000000000000.log");
    let topic = segment.parent().unwrap().to_path_buf();
    let remove = |path: &Path| match path.is_dir() {
        true => std::fs::remove_dir_all(path).unwrap(),
        false => std::fs::remove_file(path).unwrap(),
    };
    let cut = |path: &Path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    let zero = |path: &Path| {
        let length = std::fs::metadata(path).unwrap().len() as usize;
        std::fs::write(path, vec![0; length]).unwrap();
    };
    // What is harmed, and the file that is named.
    let cases: [(&str, Harm<'_>, &Path, &Path); 9] = [
        ("no manifest", &remove, &find("data/node"), &find("data/node")),
        ("no metadata log", &remove, &find("metadata.log"), &find("metadata.log")),
        ("a metadata log of zeros", &zero, &find("metadata.log"), &find("metadata.log")),
        ("half a metadata log", &cut, &find("metadata.log"), &find("metadata.log")),
        ("no slot", &remove, &slot, &slot),
        ("half a slot", &cut, &slot, &slot),
        ("no journal", &remove, slot.parent().unwrap(), slot.parent().unwrap()),
        ("half a segment", &cut, &segment, &segment),
        ("no directory of a partition", &remove, &topic, &segment),
    ];
    let (data, kept) = (directory.data(), directory.0.join("kept"));
    copy(&data, &kept);
    for (what, harm, path, file) in cases {
        harm(path);
        let (code, damages) = directory.verify();
        let named = |damage: &Value| damage["file"] == file.to_str().unwrap();
        assert!(code == Some(1) && damages.iter().any(named), "{what}: {damages:?}");
        for _ in 0..2 {
            let (code, said) = spawn(&directory).ended();
            let advice = format!("`millrace storage verify {}`", data.display());
            assert!(code == Some(3) && said.contains(file.to_str().unwrap()), "{what}: {code:?}, {said}");
            assert!(said.contains(&advice), "{what}: {said}");
        }
        std::fs::remove_dir_all(&data).unwrap();
        copy(&kept, &data);
        assert_eq!(directory.verify(), (Some(0), Vec::new()), "{what}, put back");
    }
    // A start put back: nothing was taken away.
    let stranger = directory.data().join("topics/stranger-0");
    copy(&topic, &stranger);
    let (code, damages) = directory.verify();
    assert!(code == Some(1) && damages[0]["file"] == stranger.to_str().unwrap(), "{damages:?}");
    let mut broker = spawn(&directory);
    broker.address();
    broker.end("TERM");
    let (code, damages) = directory.verify();
    assert_eq!((code, damages), (Some(0), Vec::new()), "what is put aside is no damage");
    let names: Vec<_> = std::fs::read_dir(data.join("topics")).unwrap().map(|entry| entry.unwrap()).collect();
    let aside =
        names.iter().find(|it| it.file_name().to_string_lossy().starts_with("stranger-0.unknown-at-"));
    let aside = aside.expect("it is put aside").path().join("00000000000000000000.log");
    assert_eq!(std::fs::read(aside).unwrap(), std::fs::read(&segment).unwrap(), "with all that it holds");
}

#[test]
fn checkpoints_that_a_start_can_do_without_are_all_that_is_damaged() {
    without_checkpoints("storage-checkpoints", 2, |checkpoint| flip(checkpoint, 200));
}

#[test]
fn checkpoints_that_are_missing_are_judged_as_by_a_start() {
    without_checkpoints("storage-no-checkpoints", 1, |checkpoint| std::fs::remove_file(checkpoint).unwrap());
}

/// A segment behind which others are, and where the bytes begin that both its file and the journal have.
fn journaled_end(directory: &Directory) -> (PathBuf, u64) {
    let chain = facts(&directory.storage("verify", &directory.data(), &[]));
    let first = chain.iter().find(|fact| fact["kind"] == "chain").unwrap()["first"].as_u64();
    let mut runs: BTreeMap<(u64, u64), BTreeMap<u64, (u64, bool)>> = BTreeMap::new();
    let mut counts = false;
    for fact in facts(&directory.storage("dump", &directory.data(), &[])) {
        if fact["kind"] == "frame" {
            counts = fact["valid"] == true && fact["sequence"].as_u64() >= first;
        }
        if fact["kind"] == "entry" && counts && fact["bytes"].is_number() {
            let [partition, segment, position, bytes] =
                ["partition", "segment", "position", "bytes"].map(|name| fact[name].as_u64().unwrap());
            let is_extent = fact["what"] == "extent";
            runs.entry((partition, segment)).or_default().insert(position, (bytes, is_extent));
        }
    }
    let has_next = |(partition, segment): (u64, u64)| {
        runs.range((partition, segment + 1)..=(partition, u64::MAX)).next().is_some()
    };
    let found = runs.iter().filter(|(key, _)| has_next(**key)).find_map(|((partition, segment), run)| {
        let mut from = run.iter().map(|(position, (bytes, _))| position + bytes).max()?;
        for (position, (bytes, is_extent)) in run.iter().rev() {
            if !is_extent && position + bytes == from {
                from = *position;
            }
        }
        let file = directory.look_for(&format!("small-{partition}/{segment:020}.log"))?;
        (std::fs::metadata(&file).unwrap().len() > from).then_some((file, from))
    });
    found.expect("the journal holds the end of a segment")
}

/// Damages both checkpoints in some way; the check names so many damages, and a start does without them.
fn without_checkpoints(name: &str, expected: usize, damage: impl Fn(&Path)) {
    let directory = prepared(name);
    // The journal holds 4 MB: what the lost checkpoints made needless is overwritten.
    loaded_with(&directory, &["--rate", "15000"]).end("KILL");
    for name in ["checkpoint-0", "checkpoint-1"] {
        damage(&directory.find(name));
    }
    // Only the journal has the end of a segment that is not the last one,
    // as after a crash before it was written.
    let (segment, written) = journaled_end(&directory);
    std::fs::File::options().write(true).open(&segment).unwrap().set_len(written).unwrap();
    let (code, damages) = directory.verify();
    assert_eq!((code, damages.len()), (Some(1), expected), "{damages:?}");
    for damage in damages {
        assert!(damage["file"].as_str().unwrap().contains("checkpoint-"), "{damage}");
        assert!(damage["saved"].as_str().unwrap().contains("a start reads the segments"), "{damage}");
    }
    let all = facts(&directory.storage("verify", &directory.data(), &[]));
    let chain = all.iter().find(|fact| fact["kind"] == "chain").unwrap();
    assert!(chain["first"].as_u64() > Some(1) && chain["from_segments"] == true, "{chain}");
    let mut broker = spawn(&directory);
    broker.address();
    broker.end("TERM");
    assert_eq!(directory.verify(), (Some(0), Vec::new()), "after a start");
}

#[test]
fn without_checkpoints_a_log_begins_where_its_directory_says() {
    let directory = prepared("storage-noted-start");
    let load = ["--rate", "6000", "--topic-config", "retention.bytes=1048576"];
    loaded_with(&directory, &load).end("TERM");
    let start = |what: &str| {
        let facts = facts(&directory.storage("verify", &directory.data(), &[]));
        let found = facts.iter().find(|fact| fact["kind"] == "partition" && fact["partition"] == "small-0");
        found.unwrap_or_else(|| panic!("{what}: {facts:?}"))["log_start"].as_u64().unwrap()
    };
    let begins = start("after retention");
    let noted = directory.find(&format!("small-0/{begins:020}.start"));
    assert!(begins > 0);
    for name in ["checkpoint-0", "checkpoint-1"] {
        std::fs::remove_file(directory.find(name)).unwrap();
    }
    assert_eq!(start("without checkpoints"), begins);
    // As behind a deletion of records inside a segment.
    std::fs::rename(&noted, noted.with_file_name(format!("{:020}.start", begins + 1))).unwrap();
    assert_eq!(start("inside a segment"), begins + 1);
}

#[test]
fn a_dump_tells_what_every_kind_of_file_holds() {
    let directory = prepared("storage-dump");
    let broker = loaded(&directory);
    // Made once a segment is rolled and in its file.
    directory.wait_for(".mrindex");
    broker.end("KILL");
    let whole = facts(&directory.storage("dump", &directory.data(), &["--print-data-log"]));
    for kind in [
        "manifest",
        "metadata",
        "metadata_entry",
        "metadata_record",
        "checkpoint",
        "checkpoint_partition",
        "frames",
        "frame",
        "entry",
        "segment",
        "batch",
        "record",
        "index",
    ] {
        assert!(whole.iter().any(|fact| fact["kind"] == kind), "{kind}");
    }
    let record = whole.iter().find(|fact| fact["kind"] == "record").unwrap();
    assert!(record["value_bytes"] == 1000 && record["value"].is_string(), "{record}");
    let batch = whole.iter().find(|fact| fact["kind"] == "batch").unwrap();
    assert_eq!((&batch["valid"], &batch["base_offset"], &batch["at"]), (&true.into(), &0.into(), &0.into()));
    let segment = directory.find("small-0/00000000000000000000.log");
    let text = Command::new(PROGRAM).args(["storage", "dump", segment.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.lines().nth(1).unwrap().starts_with("batch at=0 bytes="), "{text}");
    let unknown = directory.storage("dump", &directory.find(".lock"), &[]);
    assert_eq!(unknown.status.code(), Some(3));
}
