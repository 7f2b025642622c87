//! Thousands of requests of one connection ahead of any answer; the answers come in their order.

use super::honest::{Attack, beside, broker};
use super::peer::{Peer, Reaction};
use crate::error::ClientError;
use crate::suite::Rig;

const PEERS: (usize, usize) = (10, 3);
const REQUESTS: (i32, i32) = (10_000, 10_000);

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "pipelines")?;
    let (count, requests) = (rig.scale.pick(PEERS.0, PEERS.1), rig.scale.pick(REQUESTS.0, REQUESTS.1));
    let stream: Vec<u8> = (0..requests).flat_map(question).collect();
    let peers = format!("{count} pipelines of {requests} requests");
    beside(rig, broker, &peers, &|attack| run(attack, count, requests, &stream))
}

/// Metadata 1 of no topic, without a client id.
fn question(correlation: i32) -> Vec<u8> {
    let mut frame = b"\x00\x00\x00\x0e\x00\x03\x00\x01".to_vec();
    frame.extend_from_slice(&correlation.to_be_bytes());
    frame.extend_from_slice(b"\xff\xff\x00\x00\x00\x00");
    frame
}

fn run(attack: &Attack, count: usize, requests: i32, stream: &[u8]) -> Result<(), ClientError> {
    loop {
        let mut peers = (0..count).map(|_| Peer::open(attack.address)).collect::<Result<Vec<_>, _>>()?;
        // The kernel's buffers and the broker's memory take a part; who has sent all of it waits for nobody.
        for peer in &mut peers {
            peer.send(stream);
        }
        attack.begins();
        for peer in &mut peers {
            let in_order = (0..requests).all(|correlation| peer.answer() == Ok(correlation));
            attack.note(if in_order { Reaction::Answered } else { Reaction::Silent });
        }
        if !attack.goes_on() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_as_long_as_it_says() {
        assert_eq!(question(1).len(), 4 + 14);
    }
}
