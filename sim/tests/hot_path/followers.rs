//! Producers and followers over more partitions than tails have room for: nobody is starved,
//! and memory keeps its bound.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::Offset;
use millrace_core::journal::JOURNAL_BYTES_MIN;
use millrace_core::log::Codec;
use millrace_rt::Signal;
use millrace_shard::{FetchPartition, FetchQuery, FetchTimes, Isolation, Shard};

use crate::bench::{Setting, append, batch, key, on_such_a_shard};

const CLIENTS: i32 = 20;
const PARTITIONS_EACH: i32 = 20;
/// Batches to each partition.
const ROUNDS: i64 = 4;
/// Tails of one in each are three times the bound.
const BATCH_BYTES: usize = 60_000;
/// Of these tails get a half.
const MEMORY_BYTES: u64 = 16 << 20;
/// Answers on their way, requests in flight, reads, writes and a checkpoint;
/// what memory may pass the bound of tails by.
const OTHER_BYTES: u64 = 6 << 20;
/// Of a follower's fetch.
const WAIT: Duration = Duration::from_millis(500);
const ANSWER_BYTES: usize = 50 << 20;
/// A client that gets nothing done for so long is starved,
/// or was not woken before its fetch had waited to its end.
const STARVED: Duration = Duration::from_millis(250);

/// What all clients share.
struct Load {
    shard: Shard,
    records: Bytes,
    running: Cell<i32>,
    ended: Signal,
    /// The longest that a client waited for an answer, or a follower for records.
    longest: Cell<Duration>,
    /// Most blocks in use, and most memory of tails.
    peak: RefCell<(u64, u64)>,
}

impl Load {
    fn waited(&self, since: millrace_rt::Moment) {
        self.longest.set(self.longest.get().max(millrace_rt::now() - since));
    }

    fn end(&self) {
        self.running.set(self.running.get() - 1);
        self.ended.notify_all();
    }
}

/// One batch in flight, to each of the client's partitions in turn.
async fn produce(load: Rc<Load>, client: i32) {
    for _ in 0..ROUNDS {
        for partition in own(client) {
            let begun = millrace_rt::now();
            append(&load.shard, partition, load.records.clone()).await;
            load.waited(begun);
            let stats = load.shard.stats().await;
            let mut peak = load.peak.borrow_mut();
            *peak = (peak.0.max(stats.process.memory.in_use_bytes), peak.1.max(stats.tails.bytes));
        }
    }
    load.end();
}

/// Reads the client's partitions to the end of all rounds, one fetch in flight,
/// whoever came first last the next time.
async fn follow(load: Rc<Load>, client: i32) {
    let mut places: Vec<(i32, i64)> = own(client).map(|partition| (partition, 0)).collect();
    let mut begun = millrace_rt::now();
    while places.iter().any(|(_, next)| *next < ROUNDS) {
        places.rotate_left(1);
        let wanted = |(partition, next): &(i32, i64)| FetchPartition {
            key: key(*partition),
            offset: Offset(*next),
            max_bytes: 1 << 20,
            current_leader_epoch: None,
        };
        let query = FetchQuery {
            partitions: places.iter().map(wanted).collect(),
            max_wait: WAIT,
            min_bytes: 1,
            max_bytes: ANSWER_BYTES,
            isolation: Isolation::ReadUncommitted,
        };
        let (fetched, charge) = load.shard.fetch_timed(&query, &mut FetchTimes::default()).await;
        let mut brought = 0;
        for ((_, next), answer) in places.iter_mut().zip(&fetched) {
            let bytes: usize = answer.result.as_ref().unwrap().records.iter().map(Bytes::len).sum();
            assert_eq!(bytes % load.records.len(), 0, "whole batches");
            *next += (bytes / load.records.len()) as i64;
            brought += bytes;
        }
        // The peer takes its time.
        millrace_rt::sleep(Duration::from_micros(200)).await;
        drop(charge);
        if brought > 0 {
            load.waited(begun);
            begun = millrace_rt::now();
        }
    }
    load.end();
}

/// Dealt as consumers of a group are: every so many.
fn own(client: i32) -> impl Iterator<Item = i32> {
    (0..PARTITIONS_EACH).map(move |number| number * CLIENTS + client)
}

#[test]
fn producers_and_followers_of_many_partitions_all_get_on() {
    let setting = Setting {
        partitions: CLIENTS * PARTITIONS_EACH,
        memory_bytes: MEMORY_BYTES,
        journal_bytes: JOURNAL_BYTES_MIN,
        ..Setting::USUAL
    };
    let (longest, (blocks, tails), took) = on_such_a_shard(setting, async |shard| {
        let load = Rc::new(Load {
            shard,
            records: batch(Codec::None, 1, BATCH_BYTES),
            running: Cell::new(2 * CLIENTS),
            ended: Signal::new(),
            longest: Cell::default(),
            peak: RefCell::default(),
        });
        let begun = millrace_rt::now();
        for client in 0..CLIENTS {
            millrace_rt::spawn(produce(Rc::clone(&load), client));
            millrace_rt::spawn(follow(Rc::clone(&load), client));
        }
        while load.running.get() > 0 {
            load.ended.wait().await;
        }
        let peak = *load.peak.borrow();
        (load.longest.get(), peak, millrace_rt::now() - begun)
    });
    println!("{took:?} in all, longest wait {longest:?}, {tails} bytes in tails, {blocks} in blocks");
    assert!(longest < STARVED, "a client got nothing done for {longest:?}");
    let bound = MEMORY_BYTES / 2 + OTHER_BYTES;
    assert!(blocks <= bound, "blocks took {blocks} bytes of {bound}");
}
