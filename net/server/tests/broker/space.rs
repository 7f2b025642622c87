//! A disk without space: records are refused, reads and what makes space go on, and all resumes.

use std::time::Duration;

use millrace_rt::sleep;
use millrace_rt::world::DiskFault;

use crate::client::{Client, TOPIC};
use crate::stage::play;

const NONE: i16 = 0;
const KAFKA_STORAGE_ERROR: i16 = 56;
/// Less than any reserve.
const ROOM: u64 = 8 << 20;
/// Longer than between two looks at the disk.
const LOOKED: Duration = Duration::from_millis(1_500);

#[test]
fn a_disk_without_space_refuses_records_and_new_topics_and_nothing_else() {
    play(2, &[], async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.create_topic("t", 4).await, NONE);
        for partition in 0..4 {
            assert_eq!(client.produce("t", partition, &[1; 500]).await, (NONE, 0));
        }
        stage.disk.set(Some(DiskFault::Full(ROOM)));
        sleep(LOOKED).await;
        for partition in 0..4 {
            let (code, offset) = client.produce("t", partition, &[2; 500]).await;
            assert_eq!((code, offset), (KAFKA_STORAGE_ERROR, -1), "partition {partition}");
            assert!(client.fetch("t", partition, 0, 0).await > 500, "partition {partition}");
        }
        assert_eq!(client.create_topic("u", 1).await, KAFKA_STORAGE_ERROR);
        assert_eq!(client.alter(TOPIC, "t", "retention.bytes", Some("1000")).await, NONE);
        stage.disk.set(Some(DiskFault::None));
        sleep(LOOKED).await;
        for partition in 0..4 {
            assert_eq!(client.produce("t", partition, &[3; 500]).await, (NONE, 1));
        }
        assert_eq!(client.create_topic("u", 1).await, NONE);
    });
}

#[test]
fn a_reserve_larger_than_the_disk_lets_nothing_in() {
    play(1, &[("millrace.reserve.bytes", "2TiB")], async |stage| {
        let mut client = Client::connect(stage.address).await;
        assert_eq!(client.create_topic("t", 1).await, KAFKA_STORAGE_ERROR);
    });
}
