//! A disk that answers late, or hardly at all: requests end in time, and memory stays within its bounds.

use std::time::Duration;

use millrace_rt::world::DiskFault;
use millrace_rt::{now, sleep, spawn};

use crate::client::Client;
use crate::stage::{MEMORY_BYTES, play};

const NONE: i16 = 0;
const REQUEST_TIMED_OUT: i16 = 7;
/// The client's own, in each of its requests.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than everything that a client waits for.
const HUNG: Duration = Duration::from_secs(60);
/// The fault is there by then.
const SOON: Duration = Duration::from_millis(20);
const SHARDS: u16 = 2;

#[test]
fn a_hung_disk_times_requests_out_and_what_they_appended_stands() {
    play(SHARDS, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 4).await;
        assert_eq!(client.produce("t", 0, &[1; 100]).await, (NONE, 0));
        stage.disk.set(Some(DiskFault::Slow(HUNG)));
        sleep(SOON).await;
        for _ in 0..3 {
            let begun = now();
            assert_eq!(client.produce("t", 0, &[2; 100]).await, (REQUEST_TIMED_OUT, -1));
            let took = now() - begun;
            assert!(took >= TIMEOUT && took < 2 * TIMEOUT, "{took:?}");
            assert!(client.fetch("t", 0, 0, 0).await > 100, "what is in memory is read");
        }
        stage.disk.set(Some(DiskFault::None));
        sleep(2 * HUNG).await;
        assert_eq!(client.produce("t", 0, &[3; 100]).await, (NONE, 4));
    });
}

#[test]
fn a_hung_disk_does_not_fill_the_memory() {
    play(SHARDS, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("t", 4).await;
        stage.disk.set(Some(DiskFault::Slow(HUNG)));
        sleep(SOON).await;
        for partition in 0..20 {
            let address = stage.address;
            // More than the whole memory; most of it waits at the clients.
            drop(spawn(async move {
                let mut client = Client::connect(address).await;
                for _ in 0..100 {
                    client.send_produce("t", partition % 4, -1, &[4; 100_000]).await;
                }
            }));
        }
        sleep(HUNG / 2).await;
        let peak = stage.memory_peak.get();
        let share = MEMORY_BYTES / u64::from(SHARDS);
        assert!(peak > share / 2, "{peak} bytes were hardly a load");
        assert!(peak <= MEMORY_BYTES, "{peak} bytes in use, the process may use {MEMORY_BYTES}");
        stage.disk.set(Some(DiskFault::None));
        sleep(2 * HUNG).await;
        let (code, offset) = client.produce("t", 0, &[5; 100]).await;
        assert_eq!(code, NONE);
        assert!(offset > 0, "{offset}: what was taken is there");
    });
}
