//! Readers that ask to be told of the next record, however long that takes, and vanish.

use super::frames::Frame;
use super::honest::{Attack, beside, broker};
use super::peer::{Peer, Reaction};
use crate::error::ClientError;
use crate::suite::{Contender, POWER, Rig};

const FETCH: (i16, i16) = (1, 4);
/// At once; then they vanish, and as many others come.
const READERS: (usize, usize) = (500, 100);
const PARTITIONS: i32 = 1_000;
/// Nobody writes to it.
const TOPIC: &str = "silent";
const MAX_WAIT_MS: i32 = 600_000;
const BYTES_MAX: i32 = 1 << 20;
const NO_REPLICA: i32 = -1;

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "vanishing")?;
    Contender::of(&broker, "millrace", POWER).create(TOPIC, PARTITIONS)?;
    let count = rig.scale.pick(READERS.0, READERS.1);
    let request = fetch_frame();
    let peers = format!("{count} readers at a time that vanish in a long poll");
    beside(rig, broker, &peers, &|attack| come_and_go(attack, count, &request))
}

fn come_and_go(attack: &Attack, count: usize, request: &[u8]) -> Result<(), ClientError> {
    attack.begins();
    while attack.goes_on() {
        let mut readers = Vec::new();
        for _ in 0..count {
            let mut reader = Peer::open(attack.address)?;
            // Nobody waits for an answer.
            let is_taken = reader.send(request);
            attack.note(if is_taken { Reaction::Answered } else { Reaction::Closed });
            readers.push(reader);
        }
    }
    Ok(())
}

/// Waits in the lists of all partitions.
fn fetch_frame() -> Vec<u8> {
    let mut frame = Frame::of(FETCH);
    frame.number(NO_REPLICA).number(MAX_WAIT_MS).number(1).number(BYTES_MAX).byte(0);
    frame.number(1).text(TOPIC).number(PARTITIONS);
    for partition in 0..PARTITIONS {
        frame.number(partition).long(0).number(BYTES_MAX);
    }
    frame.finish()
}
