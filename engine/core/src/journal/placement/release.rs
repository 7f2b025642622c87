//! Which tails a cleaning flushes to their segments, and which it carries on in the journal.

use crate::base::PartitionKey;
use crate::journal::frames::entry::APPEND_HEAD_BYTES;
use crate::journal::frames::frame::FrameSequence;

/// A carry takes its bytes and its head.
const CARRY_COST_BYTES: usize = APPEND_HEAD_BYTES;

/// Bytes of one partition that are only in memory and journal. They lie in one segment: what a roll left in
/// the segment before is flushed first (see `PartitionCheckpoint::segments`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreleasedTail {
    pub key: PartitionKey,
    pub bytes: usize,
    /// The oldest frame that holds one of them.
    pub oldest: FrameSequence,
}

/// What one cleaning may carry; see `Journal::carry_limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarryLimits {
    /// Tails of this size or more are flushed.
    pub tail_bytes_max: usize,
    /// Bytes of all carries with their heads.
    pub total_bytes_max: usize,
}

/// What becomes of each tail that a slot still holds; both lists smallest tail first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReleasePlan {
    pub flush: Vec<PartitionKey>,
    pub carry: Vec<PartitionKey>,
}

/// Decides about every tail that needs a frame up to `through`; the others stay as they are. Carries as many
/// as possible: the smallest first, until `total_bytes_max`.
pub fn plan_release(
    tails: impl IntoIterator<Item = UnreleasedTail>,
    through: FrameSequence,
    limits: CarryLimits,
) -> ReleasePlan {
    let mut needed: Vec<UnreleasedTail> =
        tails.into_iter().filter(|tail| tail.bytes > 0 && tail.oldest <= through).collect();
    needed.sort_unstable_by_key(|tail| (tail.bytes, tail.key));
    let mut plan = ReleasePlan::default();
    let mut carried = 0usize;
    for tail in needed {
        let cost = tail.bytes.saturating_add(CARRY_COST_BYTES);
        carried = carried.saturating_add(cost);
        if tail.bytes < limits.tail_bytes_max && carried <= limits.total_bytes_max {
            plan.carry.push(tail.key);
        } else {
            plan.flush.push(tail.key);
        }
    }
    plan
}

/// The oldest frame that a checkpoint taken now still needs: that of the oldest unreleased byte, or the one
/// after `sealed`. A tail without bytes (a truncation took them) needs none, whatever its `oldest` says.
pub fn replay_from(tails: impl IntoIterator<Item = UnreleasedTail>, sealed: FrameSequence) -> FrameSequence {
    let needed = tails.into_iter().filter(|tail| tail.bytes > 0).map(|tail| tail.oldest);
    needed.min().unwrap_or(sealed.next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{PartitionIndex, TopicId};

    /// Tails as `bytes@oldest`, numbered from 0; the lists as their numbers.
    fn check(tails: &str, total_bytes_max: usize, flush: &[i32], carry: &[i32]) {
        let tails = tails.split(' ').enumerate().map(|(number, tail)| {
            let (bytes, oldest) = tail.split_once('@').unwrap();
            let key = PartitionKey::new(TopicId::ZERO, PartitionIndex(number as i32));
            UnreleasedTail {
                key,
                bytes: bytes.parse().unwrap(),
                oldest: FrameSequence(oldest.parse().unwrap()),
            }
        });
        let limits = CarryLimits { tail_bytes_max: 1000, total_bytes_max };
        let plan = plan_release(tails, FrameSequence(10), limits);
        let numbers = |keys: &[PartitionKey]| keys.iter().map(|key| key.partition.0).collect::<Vec<_>>();
        assert_eq!((numbers(&plan.flush).as_slice(), numbers(&plan.carry).as_slice()), (flush, carry));
    }

    #[test]
    fn large_tails_are_flushed_and_small_ones_carried() {
        check("999@1 1000@10 5000@3", 100_000, &[1, 2], &[0]);
        check("999@11 1000@12", 100_000, &[], &[]);
        check("0@1 1@1", 100_000, &[], &[1]);
    }

    #[test]
    fn a_checkpoint_needs_the_oldest_unreleased_byte() {
        let key = PartitionKey::new(TopicId::ZERO, PartitionIndex(0));
        let tail = |bytes, oldest| UnreleasedTail { key, bytes, oldest: FrameSequence(oldest) };
        let cases = [(vec![], 8), (vec![tail(0, 2)], 8), (vec![tail(1, 7), tail(5, 4), tail(0, 2)], 4)];
        for (tails, expected) in cases {
            assert_eq!(replay_from(tails, FrameSequence(7)), FrameSequence(expected));
        }
    }

    #[test]
    fn past_the_limit_the_largest_are_flushed() {
        check("300@1 100@1 200@1", 300 + 2 * CARRY_COST_BYTES, &[0], &[1, 2]);
        check("300@1 100@1 200@1", 0, &[1, 2, 0], &[]);
        check("100@1 100@1 100@1", 2 * (100 + CARRY_COST_BYTES), &[2], &[0, 1]);
    }
}
