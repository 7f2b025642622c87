//! Connections by the thousand at once: each asks one question, gets its answer and goes;
//! then they all come again.

use super::honest::{Attack, beside, broker};
use super::peer::Peer;
use crate::error::ClientError;
use crate::suite::Rig;

const PEERS: (usize, usize) = (5000, 1000);
/// ApiVersions 0, with correlation id 7 and no client id.
const QUESTION: &[u8] = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x07\xff\xff";

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "storm")?;
    let count = rig.scale.pick(PEERS.0, PEERS.1);
    beside(rig, broker, &format!("storms of {count} connections"), &|attack| storm(attack, count))
}

fn storm(attack: &Attack, count: usize) -> Result<(), ClientError> {
    attack.begins();
    loop {
        let mut peers = Vec::new();
        for _ in 0..count {
            let mut peer = Peer::open(attack.address)?;
            peer.send(QUESTION);
            peers.push(peer);
        }
        for peer in &mut peers {
            attack.note(peer.reaction());
        }
        if !attack.goes_on() {
            return Ok(());
        }
    }
}
