//! Lengths that nothing has: of frames, of lists and of texts;
//! and lists of a million elements of next to no bytes.

use std::time::Duration;

use super::honest::{Attack, beside, broker};
use super::peer::{Peer, Reaction};
use crate::clock;
use crate::error::ClientError;
use crate::suite::Rig;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(5);
/// Of frames that are as long as their length says:
/// more than a broker takes that has the memory of this suite, and less.
const LIST_BYTES: [usize; 2] = [16 << 20, 900 << 10];
/// Between two of those: their bytes alone keep a broker busy.
const LIST_PAUSE: Duration = Duration::from_millis(200);

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "lengths")?;
    let (claims, lists) = (claims(), LIST_BYTES.map(lists).concat());
    beside(rig, broker, "absurd lengths", &|attack| send(attack, &claims, &lists))
}

fn send(attack: &Attack, claims: &[Vec<u8>], lists: &[Vec<u8>]) -> Result<(), ClientError> {
    attack.begins();
    loop {
        for list in lists {
            for claim in claims {
                attack.note(one(attack, claim)?);
                clock::sleep(PAUSE);
            }
            attack.note(one(attack, list)?);
            clock::sleep(LIST_PAUSE);
        }
        if !attack.goes_on() {
            return Ok(());
        }
    }
}

fn one(attack: &Attack, bytes: &[u8]) -> Result<Reaction, ClientError> {
    let mut peer = Peer::open(attack.address)?;
    // A broker may close before it has read all.
    let taken = peer.send(bytes);
    Ok(match peer.reaction() {
        Reaction::Silent if !taken => Reaction::Closed,
        reaction => reaction,
    })
}

/// Header of a version without tagged fields, correlation id 7, no client id.
fn framed(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 10).unwrap_or(i32::MAX);
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 7, 0xff, 0xff]);
    frame.extend_from_slice(body);
    frame
}

/// Small frames that claim to be large, or that hold a claim.
fn claims() -> Vec<Vec<u8>> {
    let of_frames = [-1, 0, i32::MIN, i32::MAX, 104_857_601].map(|length: i32| length.to_be_bytes().to_vec());
    // Of topics in Metadata 1, of groups in DescribeGroups 0, of resources in DescribeConfigs 1.
    let of_lists =
        [(3, 1), (15, 0), (32, 1)].map(|(key, version)| framed(key, version, &[0x7f, 0xff, 0xff, 0xff]));
    // Of the name of a group in OffsetFetch 1.
    let of_text = framed(9, 1, &[0x7f, 0xff, b'g']);
    of_frames.into_iter().chain(of_lists).chain([of_text]).collect()
}

/// Good frames of this length, whose elements take much more memory than bytes.
fn lists(bytes: usize) -> Vec<Vec<u8>> {
    let list = |key: i16, version: i16, before: &[u8], element: &[u8], behind: &[u8]| {
        let count = (bytes - 64) / element.len();
        let claimed = i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes();
        framed(key, version, &[before, &claimed, &element.repeat(count), behind].concat())
    };
    vec![
        // Metadata 1: names of no letter.
        list(3, 1, &[], &[0, 0], &[]),
        // DescribeGroups 0: ids of no letter, and of one.
        list(15, 0, &[], &[0, 0], &[]),
        list(15, 0, &[], &[0, 1, b'g'], &[]),
        // DescribeConfigs 1: all settings of topics of no name, and of the broker, again and again.
        list(32, 1, &[], &[2, 0, 0, 0xff, 0xff, 0xff, 0xff], &[0]),
        list(32, 1, &[], &[4, 0, 1, b'1', 0xff, 0xff, 0xff, 0xff], &[0]),
        // DeleteTopics 1: names of no letter, within a second.
        list(20, 1, &[], &[0, 0], &[0, 0, 3, 0xe8]),
        // Fetch 4 and ListOffsets 1: topics without a name and partitions.
        list(1, 4, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], &[0; 6], &[]),
        list(2, 1, &[0xff, 0xff, 0xff, 0xff], &[0; 6], &[]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_they_say() {
        for list in lists(10_000) {
            let length = list.first_chunk().map(|length| i32::from_be_bytes(*length)).unwrap_or_default();
            assert_eq!(usize::try_from(length), Ok(list.len() - 4));
        }
    }
}
