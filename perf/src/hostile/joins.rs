//! Members of groups that offer tens of thousands of protocols,
//! and such that bring as much as a request may hold.

use super::frames::{Frame, find_coordinator};
use super::honest::{Attack, beside, broker};
use super::peer::{Peer, Reaction};
use crate::error::ClientError;
use crate::suite::Rig;

const JOIN_GROUP: (i16, i16) = (11, 3);
/// More than any client offers.
const PROTOCOLS: i32 = 40_000;
/// Each of a group of its own: together far more than groups may hold.
const LARGE_JOINS: (usize, usize) = (400, 100);
const METADATA_BYTES: usize = 1_000_000;
const SESSION_MS: i32 = 10_000;

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "joins")?;
    find_coordinator(broker.address)?;
    let count = rig.scale.pick(LARGE_JOINS.0, LARGE_JOINS.1);
    let peers = format!("{count} joins of a megabyte, and of {PROTOCOLS} protocols");
    beside(rig, broker, &peers, &|attack| join(attack, count))
}

fn join(attack: &Attack, count: usize) -> Result<(), ClientError> {
    let many = join_frame("many", PROTOCOLS, b"m");
    let metadata = vec![7; METADATA_BYTES];
    attack.begins();
    loop {
        let mut waiting = Vec::new();
        for number in 0..count {
            let mut peer = Peer::open(attack.address)?;
            peer.send(&join_frame(&format!("large-{number}"), 1, &metadata));
            waiting.push(peer);
            let mut peer = Peer::open(attack.address)?;
            peer.send(&many);
            attack.note(peer.reaction());
            if !attack.goes_on() {
                break;
            }
        }
        // Those that are let in hear of it when their group begins; the others are told to come later.
        let reactions: Vec<Reaction> = waiting.iter_mut().map(Peer::reaction).collect();
        reactions.into_iter().for_each(|reaction| attack.note(reaction));
        if !attack.goes_on() {
            return Ok(());
        }
    }
}

fn join_frame(group: &str, protocols: i32, metadata: &[u8]) -> Vec<u8> {
    let mut frame = Frame::of(JOIN_GROUP);
    frame.text(group).number(SESSION_MS).number(SESSION_MS).text("").text("consumer").number(protocols);
    for protocol in 0..protocols {
        frame.text(&format!("p{protocol}")).bytes(metadata);
    }
    frame.finish()
}
