//! The frames: requests of golden bytes and parity cases, whole or changed,
//! with the ids of topics that are there.

use bytes::Bytes;
use millrace_parity::{SEED_TOPICS, seed_topic_id};
use millrace_wire::ApiKey;

use crate::chance::Chance;
use crate::fuzz::find;
use crate::fuzz::mutate::mutate;
use crate::fuzz::target::Field;

/// Of header and body.
const FRAME_BYTES_MAX: usize = 32 * 1024;
/// Where a request's correlation id stands.
const CORRELATION_AT: std::ops::Range<usize> = 4..8;
/// Lengths in front of a frame that are none.
const BAD_LENGTHS: [i32; 6] = [0, -1, i32::MIN, i32::MAX, 100 << 20, 2_000_000_000];

/// A frame as it is sent.
#[derive(Clone)]
pub(super) struct Made {
    /// Header and body.
    pub(super) frame: Bytes,
    pub(super) correlation_id: i32,
    /// What stands in front.
    pub(super) length: i32,
}

impl Made {
    /// What is sent in front of the frame.
    pub(super) fn start(&self) -> Bytes {
        Bytes::copy_from_slice(&self.length.to_be_bytes())
    }

    /// Requests that wait for others as long as they say.
    pub(super) fn may_wait(&self) -> bool {
        let key = self.frame.first_chunk().map(|key| i16::from_be_bytes(*key));
        let waits = [ApiKey::Fetch, ApiKey::JoinGroup, ApiKey::SyncGroup];
        key.is_some_and(|key| waits.iter().any(|api| api.code() == key))
    }

    /// Fewer bytes follow than the length says.
    pub(super) fn is_short(&self) -> bool {
        usize::try_from(self.length).is_ok_and(|length| length > self.frame.len())
    }
}

pub(super) struct Stock {
    examples: Vec<Vec<u8>>,
}

impl Stock {
    pub(super) fn new() -> Stock {
        let requests = find("requests").map(|target| target.examples()).unwrap_or_default();
        assert!(!requests.is_empty(), "the target `requests` has examples");
        Stock { examples: requests.into_iter().map(without_quota).collect() }
    }

    /// One frame; `ids` are those of the topics that seeds name, where they are known.
    pub(super) fn frame(&self, correlation_id: i32, ids: &[[u8; 16]], chance: &mut Chance) -> Made {
        let (mut frame, other) = (self.example(chance), self.example(chance));
        if !chance.one_in(4) && !changes_quotas(&frame) {
            let fields: Vec<Field> = (0..frame.len().min(200)).map(|at| Field::big(at, 4)).collect();
            mutate(&mut frame, &other, &fields, chance);
            frame.truncate(FRAME_BYTES_MAX);
        }
        put_ids(&mut frame, ids);
        if let Some(place) = frame.get_mut(CORRELATION_AT) {
            place.copy_from_slice(&correlation_id.to_be_bytes());
        }
        let length = match chance.below(64) {
            0 => BAD_LENGTHS.get(chance.below(BAD_LENGTHS.len() as u64) as usize).copied().unwrap_or(0),
            _ => frame.len() as i32,
        };
        Made { frame: frame.into(), correlation_id, length }
    }

    fn example(&self, chance: &mut Chance) -> Vec<u8> {
        self.examples.get(chance.below(self.examples.len() as u64) as usize).cloned().unwrap_or_default()
    }
}

fn changes_quotas(frame: &[u8]) -> bool {
    let key = frame.first_chunk().map(|key| i16::from_be_bytes(*key));
    key == Some(ApiKey::AlterClientQuotas.code())
}

/// Changes of quotas are only validated: one that counts holds the frames behind it for minutes.
fn without_quota(mut frame: Vec<u8>) -> Vec<u8> {
    if changes_quotas(&frame) {
        // The last field, behind which version 1 has room for tagged ones.
        let behind = usize::from(frame.get(3).copied().unwrap_or_default());
        if let Some(only) = frame.iter_mut().rev().nth(behind) {
            *only = 1;
        }
    }
    frame
}

/// Puts true ids of topics where seeds have theirs.
fn put_ids(frame: &mut [u8], ids: &[[u8; 16]]) {
    for (place, id) in ids.iter().enumerate().take(SEED_TOPICS.len()) {
        let seed = seed_topic_id(place as u8);
        let mut from = 0;
        while let Some(found) =
            frame.get(from..).and_then(|rest| rest.windows(16).position(|part| part == seed))
        {
            from += found;
            if let Some(target) = frame.get_mut(from..from + id.len()) {
                target.copy_from_slice(id);
            }
        }
    }
}
