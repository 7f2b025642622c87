//! A reader of records that are only on the disk, beside producers that never rest.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{now, spawn, timeout};

use crate::client::Client;
use crate::egress::{read, store};
use crate::stage::play;

const OLD: &str = "old";
const LIVE: &str = "live";
/// More than tails and read cache of so small a broker keep.
const RECORDS: i64 = 600;
const MEMORY: &str = "32MiB";
/// Enough that one commit follows the other.
const PRODUCERS: i32 = 8;
/// In virtual time; alone the reader takes less than a second.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_cold_reader_goes_on_beside_producers_that_never_rest() {
    play(1, &[("millrace.memory", MEMORY), ("log.retention.ms", "-1")], async |stage| {
        let mut reader = Client::connect(stage.address).await;
        reader.create_topic(OLD, 1).await;
        reader.create_topic(LIVE, PRODUCERS).await;
        store(&mut reader, OLD, 0, RECORDS).await;
        let (produced, is_over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let mut producers = Vec::new();
        for partition in 0..PRODUCERS {
            let mut client = Client::connect(stage.address).await;
            let (produced, is_over) = (Rc::clone(&produced), Rc::clone(&is_over));
            producers.push(spawn(async move {
                while !is_over.get() {
                    assert_eq!(client.produce(LIVE, partition, b"value").await.0, 0);
                    produced.set(produced.get() + 1);
                }
            }));
        }
        let begun = now();
        let reading = read(&mut reader, OLD, 0, RECORDS);
        assert!(timeout(PATIENCE, reading).await.is_some(), "the reader starves");
        let took = now() - begun;
        is_over.set(true);
        for producer in producers {
            producer.await;
        }
        assert!(produced.get() > 200, "{} records beside a reading of {took:?}", produced.get());
    });
}
