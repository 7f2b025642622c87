//! Peers that send half of a request and then a byte now and then; at the end of a turn they send the rest.

use std::time::Duration;

use super::honest::{Attack, beside, broker};
use super::peer::{Peer, Reaction};
use crate::client::produce_frame;
use crate::clock;
use crate::error::ClientError;
use crate::suite::{BATCH_RECORDS, Rig, batch};

const PEERS: (usize, usize) = (1000, 300);
const SEED: u64 = 66;
/// So many peers send a byte, then there is a pause.
const AT_ONCE: usize = 10;
const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "half-sent")?;
    let count = rig.scale.pick(PEERS.0, PEERS.1);
    let request = produce_frame("honest", &[(0, batch(BATCH_RECORDS, SEED))])?.to_bytes();
    beside(rig, broker, &format!("{count} half-sent requests"), &|attack| drip(attack, count, &request))
}

fn drip(attack: &Attack, count: usize, request: &[u8]) -> Result<(), ClientError> {
    let half = request.len() / 2;
    let mut peers = Vec::new();
    for _ in 0..count {
        let mut peer = Peer::open(attack.address)?;
        peer.send(&request[..half]);
        peers.push((peer, half));
    }
    attack.begins();
    let mut next = 0;
    while attack.goes_on() {
        for _ in 0..AT_ONCE {
            let (peer, sent) = &mut peers[next % count];
            if *sent + 1 < request.len() {
                peer.send(&request[*sent..=*sent]);
                *sent += 1;
            }
            next += 1;
        }
        clock::sleep(PAUSE);
    }
    for (mut peer, sent) in peers {
        // Who was closed meanwhile, for others waited for his memory, cannot send.
        attack.note(if peer.send(&request[sent..]) { peer.reaction() } else { Reaction::Closed });
    }
    Ok(())
}
