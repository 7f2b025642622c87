//! Peers that ask for much and take a kilobyte now and then.

use std::time::Duration;

use super::honest::{Attack, beside, broker};
use super::peer::{Peer, Reaction};
use crate::client::{Dialect, FetchPlace, fetch_frame};
use crate::clock;
use crate::error::ClientError;
use crate::suite::{Contender, POWER, Rig, Topic};

const PEERS: (usize, usize) = (100, 40);
/// Requests of each.
const REQUESTS: usize = 4;
const PARTITIONS: i32 = 6;
const FETCH_BYTES: i32 = 4 << 20;
/// There before they ask.
const STORED_BYTES: (u64, u64) = (512 << 20, 64 << 20);
const SIP_BYTES: usize = 1024;
const PAUSE: Duration = Duration::from_millis(10);
const TOPIC: &str = "much";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "slow-readers")?;
    let contender = Contender::of(&broker, "millrace", POWER);
    contender.create(TOPIC, PARTITIONS)?;
    Topic::new(&contender, TOPIC, PARTITIONS).fill(rig.scale.pick(STORED_BYTES.0, STORED_BYTES.1))?;
    let place = |partition| FetchPlace { partition, offset: 0, bytes_max: FETCH_BYTES };
    let places: Vec<FetchPlace> = (0..PARTITIONS).map(place).collect();
    let request = fetch_frame(Dialect::NEWEST.fetch, TOPIC, &places)?.to_bytes().repeat(REQUESTS);
    let count = rig.scale.pick(PEERS.0, PEERS.1);
    beside(rig, broker, &format!("{count} slow readers"), &|attack| sip(attack, count, &request))
}

fn sip(attack: &Attack, count: usize, request: &[u8]) -> Result<(), ClientError> {
    let mut peers = Vec::new();
    for _ in 0..count {
        let mut peer = Peer::open(attack.address)?;
        peer.send(request);
        peers.push(peer);
    }
    attack.begins();
    let mut next = 0;
    let mut sip = vec![0; SIP_BYTES];
    while attack.goes_on() {
        // Who waits for an answer holds up the others: a slow reader has something to read.
        let taken = peers[next % count].sip(&mut sip);
        attack.note(if taken { Reaction::Answered } else { Reaction::Closed });
        next += 1;
        clock::sleep(PAUSE);
    }
    Ok(())
}
