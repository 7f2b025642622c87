//! Payload between the socket and the log: how often it is copied on the way in, and not on the way out.

use std::time::Duration;

use crate::client::Client;
use crate::stage::{LOOK, Stage, play};

/// Heads and padding of the frame in the journal, which are counted with it,
/// and the fields around one record.
const FRAME_BYTES: u64 = 4096 + 512;

/// A block that had room for the beginning of a request only.
const FIRST_BLOCK_BYTES: u64 = 4096;

/// Returns what the broker copies until a while after the response to `request`.
async fn copied(stage: &Stage, request: impl Future<Output = ()>) -> u64 {
    let before = settled(stage).await;
    request.await;
    settled(stage).await - before
}

async fn settled(stage: &Stage) -> u64 {
    millrace_rt::sleep(LOOK * 2 + Duration::from_millis(1)).await;
    stage.copied_bytes.get()
}

#[test]
fn produced_bytes_are_copied_twice_and_fetched_bytes_never() {
    play(1, &[], |stage| async move {
        let mut client = Client::connect(stage.address).await;
        client.create_topic("copies", 1).await;
        // A request that fits the first block; the same again; a large one when none was seen before,
        // and again.
        for (length, inbox) in [(1000, 0), (1000, 0), (200_000, 200_000), (200_000, FIRST_BLOCK_BYTES)] {
            let value = vec![7; length as usize];
            let produced =
                copied(&stage, async { assert_eq!(client.produce("copies", 0, &value).await.0, 0) });
            let produced = produced.await;
            let most = 2 * length + FRAME_BYTES + inbox;
            assert!((2 * length..=most).contains(&produced), "{produced} copied of {length}, at most {most}");
        }
        let fetched = copied(&stage, async {
            client.send_fetch("copies", 0, 0, 0).await;
            let response = client.response().await.unwrap();
            assert!(response.len() > 400_000, "{} bytes were fetched", response.len());
        });
        assert_eq!(fetched.await, 0, "bytes of a fetch were copied");
    });
}
