//! Fetch sessions as scripts: what clients send, and what they are told.

use std::sync::Arc;
use std::time::Duration;

use crate::session::{
    Ask, Begun, InResponse, Metadata, Naming, PartitionRef, Read, SessionCache, SessionFault, Told, TopicRef,
    WantedPartition,
};

/// A session cache, the logs it reads, and a clock.
struct Scene {
    cache: SessionCache,
    now: Duration,
    next_random: u64,
}

/// `a3` is partition 0 of topic `a`, fetched from offset 3.
fn ask(text: &str) -> Ask {
    let (topic, offset) = text.split_at(1);
    let wanted = WantedPartition {
        fetch_offset: offset.parse().unwrap_or(0),
        max_bytes: 1000,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        resolved: false,
    };
    (partition(topic), wanted)
}

fn partition(topic: &str) -> PartitionRef {
    PartitionRef { topic: TopicRef::Name(topic.into()), partition: 0 }
}

/// `a=7` is a high watermark of 7 without records, `a+7` one with records, `a!` an error.
fn read(text: &str) -> (PartitionRef, WantedPartition, Read) {
    let (topic, outcome) = text.split_at(1);
    let (kind, watermark) = outcome.split_at(1);
    let is_error = kind == "!";
    let told = Told {
        high_watermark: if is_error { -1 } else { watermark.parse().unwrap() },
        log_start_offset: if is_error { -1 } else { 0 },
    };
    let (partition, wanted) = ask(topic);
    (partition, wanted, Read { told, has_records: kind == "+", is_error })
}

fn show(begun: &Begun) -> String {
    let asks = |asks: &[Ask]| {
        let show = |(partition, wanted): &Ask| match &partition.topic {
            TopicRef::Name(name) => format!("{name}{}", wanted.fetch_offset),
            TopicRef::Id(id) => id.to_string(),
        };
        asks.iter().map(show).collect::<Vec<_>>().join(" ")
    };
    match begun {
        Begun::Sessionless(asked) => format!("alone {}", asks(asked)),
        Begun::Full(asked) => format!("full {}", asks(asked)),
        Begun::Incremental(asked) => format!("more {}", asks(asked)),
        Begun::Refused(fault) => format!("{fault:?}"),
    }
}

impl Scene {
    fn new(slots: usize) -> Scene {
        Scene { cache: SessionCache::new(slots), now: Duration::from_secs(1000), next_random: 0 }
    }

    /// One step of a script; returns what came of it.
    ///
    /// ```text
    /// begin ID EPOCH a3 b0 -c     a request; -c forgets c
    /// create a=7 b+2              the full fetch was read: makes a session
    /// select ID EPOCH a=7 b+2     the incremental fetch was read: which partitions are named
    /// wait SECONDS
    /// ```
    fn step(&mut self, step: &str) -> String {
        let words: Vec<&str> = step.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<i32>().unwrap();
        match words[0] {
            "begin" => {
                let metadata = Metadata { id: number(1), epoch: number(2), naming: Naming::Names };
                let (forgotten, asked): (Vec<&str>, Vec<&str>) =
                    words[3..].iter().partition(|word| word.starts_with('-'));
                let forgotten: Vec<_> = forgotten.iter().map(|word| partition(&word[1..])).collect();
                let asked = asked.iter().map(|word| ask(word)).collect();
                show(&self.cache.begin(metadata, asked, &forgotten, self.now)).trim().to_owned()
            }
            "create" => {
                let read: Vec<_> = words[1..].iter().map(|word| read(word)).collect();
                let mut random = || {
                    self.next_random += 1;
                    self.next_random << 33
                };
                self.cache.create(Naming::Names, &read, &mut random, self.now).to_string()
            }
            "select" => {
                let read: Vec<_> = words[3..].iter().map(|word| read(word)).collect();
                match self.cache.select(number(1), number(2), &read) {
                    Err(fault) => format!("{fault:?}"),
                    Ok(named) => {
                        let named =
                            words[3..].iter().zip(named).filter(|(_, named)| *named == InResponse::Yes);
                        named.map(|(word, _)| &word[..1]).collect::<Vec<_>>().join(" ")
                    }
                }
            }
            "wait" => {
                self.now += Duration::from_secs(words[1].parse().unwrap());
                String::new()
            }
            other => panic!("no such step: {other}"),
        }
    }
}

/// Runs `step -> outcome` lines.
fn check(slots: usize, script: &str) {
    let mut scene = Scene::new(slots);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, expected) = line.split_once("->").unwrap_or((line, ""));
        assert_eq!(scene.step(step), expected.trim(), "{line}");
    }
}

#[test]
fn a_session_names_only_what_changed() {
    check(
        10,
        "begin 0 0 a0 b0        -> full a0 b0
         create a=7 b+2         -> 1
         begin 1 1              -> more a0 b0
         select 1 1 a=7 b=2     ->
         begin 1 2              -> more a0 b0
         select 1 2 a=8 b=2     -> a
         begin 1 3 b2           -> more a0 b2
         select 1 3 a! b=2      -> a
         begin 1 4              -> more a0 b2
         select 1 4 a=8 b=2     -> a",
    );
}

#[test]
fn partitions_with_records_go_to_the_end() {
    check(
        10,
        "begin 0 0 a0 b0 c0     -> full a0 b0 c0
         create a=0 b=0 c=0     -> 1
         begin 1 1              -> more a0 b0 c0
         select 1 1 a+5 b=0 c=0 -> a
         begin 1 2 a5           -> more b0 c0 a5",
    );
}

#[test]
fn partitions_come_and_go() {
    check(
        10,
        "begin 0 0 a0           -> full a0
         create a=0             -> 1
         begin 1 1 b4           -> more a0 b4
         select 1 1 a=0 b=4     -> b
         begin 1 2 -a           -> more b4
         begin 1 3 -b           -> alone
         begin 1 4              -> UnknownId",
    );
}

#[test]
fn ids_and_epochs_are_checked() {
    check(
        10,
        "begin 5 1 a0           -> UnknownId
         begin 0 0 a0           -> full a0
         create a=0             -> 1
         begin 1 2              -> WrongEpoch
         begin 1 1              -> more a0
         begin 1 1              -> WrongEpoch
         select 1 5 a=0         -> WrongEpoch
         begin 1 -1             -> alone
         begin 1 2              -> UnknownId
         begin 0 -1 a0 b0       -> alone a0 b0
         begin 0 -1 a0 b0 a9    -> alone a9 b0",
    );
}

#[test]
fn a_full_fetch_replaces_its_session() {
    check(
        1,
        "begin 0 0 a0           -> full a0
         create a=0             -> 1
         begin 1 0 a0           -> full a0
         create a=0             -> 2
         begin 1 1              -> UnknownId",
    );
}

#[test]
fn a_new_session_needs_a_slot() {
    check(
        1,
        "begin 0 0 a0           -> full a0
         create a=0             -> 1
         create a=0 b=0         -> 0
         wait 100
         begin 1 1              -> more a0
         wait 100
         create                 -> 0
         create a=0 b=0         -> 2
         wait 121
         create                 -> 3
         begin 2 1              -> UnknownId",
    );
    check(0, "create a=0 -> 0");
}

#[test]
fn naming_may_not_change() {
    let mut scene = Scene::new(1);
    scene.step("begin 0 0 a0");
    assert_eq!(scene.step("create a=0"), "1");
    let begun =
        scene.cache.begin(Metadata { id: 1, epoch: 1, naming: Naming::Ids }, Vec::new(), &[], scene.now);
    assert_eq!(begun, Begun::Refused(SessionFault::OtherNaming));
}

#[test]
fn sessions_are_bounded() {
    let mut cache = SessionCache::new(10);
    let many: Vec<_> = (0..100_001)
        .map(|number| {
            let (topic, wanted, read) = read("a=0");
            (PartitionRef { partition: number, ..topic }, wanted, read)
        })
        .collect();
    let now = Duration::ZERO;
    let mut random = || 7 << 33;
    assert_eq!(cache.create(Naming::Names, &many, &mut random, now), 0);
    assert_eq!(cache.create(Naming::Names, &many[1..], &mut random, now), 7);
    let more = many[0].clone();
    let more = (more.0, more.1);
    let begun = cache.begin(Metadata { id: 7, epoch: 1, naming: Naming::Names }, vec![more], &[], now);
    assert_eq!(begun, Begun::Refused(SessionFault::UnknownId));
}

/// A client adds this many partitions to its session with each request.
fn more(from: usize, count: usize, name: &str) -> Vec<Ask> {
    let topic = TopicRef::Name(Arc::from(name));
    (from..from + count)
        .map(|number| (PartitionRef { topic: topic.clone(), partition: number as i32 }, ask("a0").1))
        .collect()
}

/// Adds so often; how many partitions, or bytes of names, the cache takes before it refuses.
fn grow(cache: &mut SessionCache, id: i32, name: &str, times: usize) -> Result<usize, SessionFault> {
    const EACH: usize = 10_000;
    for round in 0..times {
        let epoch = round as i32 + 1;
        let metadata = Metadata { id, epoch, naming: Naming::Names };
        if let Begun::Refused(fault) = cache.begin(metadata, more(round * EACH, EACH, name), &[], NOW) {
            return Err(fault);
        }
    }
    Ok(times * EACH)
}

const NOW: Duration = Duration::from_secs(1000);

#[test]
fn sessions_that_grow_bit_by_bit_are_bounded_each_and_together() {
    let mut cache = SessionCache::new(100);
    let mut next = 0;
    let mut random = || {
        next += 1;
        next << 33
    };
    let first = [(partition("a0"), ask("a0").1, read("a=0").2)];
    let mut create = |cache: &mut SessionCache| cache.create(Naming::Names, &first, &mut random, NOW);
    let id = create(&mut cache);
    assert_eq!(grow(&mut cache, id, "a", 11), Err(SessionFault::UnknownId));
    assert_eq!((cache.len(), cache.partitions()), (0, 0));
    // A name that no topic can have counts for its length.
    let id = create(&mut cache);
    assert_eq!(grow(&mut cache, id, &"x".repeat(30_000), 1), Err(SessionFault::UnknownId));
    for _ in 0..5 {
        let id = create(&mut cache);
        assert_eq!(grow(&mut cache, id, "a", 9), Ok(90_000));
    }
    let id = create(&mut cache);
    assert_eq!(grow(&mut cache, id, "a", 9), Err(SessionFault::UnknownId));
    assert!(cache.partitions() <= 500_000);
}
