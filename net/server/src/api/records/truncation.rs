//! Readers that send the epoch of their last record, and learn whether their log has diverged (KIP-595,
//! `Partition.readRecords`).

use millrace_core::base::{LeaderEpoch, Offset, PartitionKey};
use millrace_shard::{EpochAsk, EpochEnd, FetchPartition, Shard};

use crate::session::WantedPartition;

/// What is wrong with a reader's last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The reader's log must be cut to here.
    Diverges(EpochEnd),
    /// The epoch is newer than any of the log.
    Unknown,
}

/// Returns what is wrong with which partitions. Readers that agree or send no epoch are left out.
pub(crate) async fn find(
    shard: &Shard,
    partitions: impl Iterator<Item = (PartitionKey, WantedPartition)>,
) -> Vec<(usize, Cut)> {
    let mut questions = Vec::new();
    let mut places = Vec::new();
    for (place, (key, wanted)) in
        partitions.enumerate().filter(|(_, (_, wanted))| wanted.last_fetched_epoch >= 0)
    {
        questions.push(EpochAsk {
            key,
            current_leader_epoch: (wanted.current_leader_epoch >= 0)
                .then_some(LeaderEpoch(wanted.current_leader_epoch)),
            leader_epoch: LeaderEpoch(wanted.last_fetched_epoch),
        });
        places.push((place, wanted));
    }
    if questions.is_empty() {
        return Vec::new();
    }
    let ends = shard.offset_for_leader_epoch(questions).await;
    // The error comes again when the partition is read, and is returned then.
    let judged = places
        .into_iter()
        .zip(ends)
        .filter_map(|((place, wanted), end)| Some((place, judge(end.ok()?, wanted)?)));
    judged.collect()
}

fn judge(end: EpochEnd, wanted: WantedPartition) -> Option<Cut> {
    if end.leader_epoch == LeaderEpoch::NONE || end.end_offset == Offset::NONE {
        return Some(Cut::Unknown);
    }
    let diverges = end.leader_epoch.0 < wanted.last_fetched_epoch || end.end_offset.0 < wanted.fetch_offset;
    diverges.then_some(Cut::Diverges(end))
}

/// Reads diverged partitions at the offset where they can be read, for their watermarks.
/// Unknown ones get an offset out of range.
pub(crate) fn apply(cuts: &[(usize, Cut)], partitions: &mut [FetchPartition]) {
    for (place, cut) in cuts {
        let Some(partition) = partitions.get_mut(*place) else { continue };
        partition.offset = match cut {
            Cut::Diverges(end) => end.end_offset,
            Cut::Unknown => Offset(i64::MAX),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_agrees_or_is_cut() {
        let end = |epoch, offset| EpochEnd { leader_epoch: LeaderEpoch(epoch), end_offset: Offset(offset) };
        let wanted = |last_fetched_epoch, fetch_offset| WantedPartition {
            fetch_offset,
            max_bytes: 1,
            current_leader_epoch: -1,
            last_fetched_epoch,
            resolved: true,
        };
        for (end, wanted, cut) in [
            (end(3, 10), wanted(3, 10), None),
            (end(3, 10), wanted(3, 11), Some(Cut::Diverges(end(3, 10)))),
            (end(2, 10), wanted(3, 5), Some(Cut::Diverges(end(2, 10)))),
            (end(-1, -1), wanted(3, 5), Some(Cut::Unknown)),
        ] {
            assert_eq!(judge(end, wanted), cut);
        }
    }
}
