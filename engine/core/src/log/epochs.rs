//! Which leader epoch began at which offset: the lineage that truncation and clients' checks rest on.

use crate::base::{LeaderEpoch, Offset};

/// One epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: LeaderEpoch,
    pub start: Offset,
}

/// The epochs of one partition's log (Kafka: `LeaderEpochFileCache`). Epochs and their starts rise strictly.
/// Lives on the shard that owns the partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochLineage {
    entries: Vec<EpochEntry>,
}

impl EpochLineage {
    pub fn new() -> EpochLineage {
        EpochLineage::default()
    }

    /// Rebuilds a lineage from stored entries; what contradicts an earlier entry replaces it, as in `assign`.
    pub fn restore(entries: impl IntoIterator<Item = EpochEntry>) -> EpochLineage {
        let mut lineage = EpochLineage::new();
        for entry in entries.into_iter().filter(|entry| entry.epoch.0 >= 0 && entry.start.0 >= 0) {
            lineage.assign(entry.epoch, entry.start);
        }
        lineage
    }

    /// Notes that `epoch` begins at `start`. Repeating the latest epoch changes nothing unless it starts
    /// earlier. Entries that are not below both numbers are dropped first: their records were replaced. True
    /// if something changed and must be kept durable.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        assert!(epoch.0 >= 0 && start.0 >= 0, "an epoch begins at a real offset");
        if let Some(latest) = self.entries.last()
            && latest.epoch == epoch
            && start >= latest.start
        {
            return false;
        }
        while let Some(last) = self.entries.last() {
            if last.epoch < epoch && last.start < start {
                break;
            }
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start });
        true
    }

    /// Drops the epochs that begin at or after `end`: the log was cut there. True if something changed.
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        let before = self.entries.len();
        if end.0 >= 0 {
            self.entries.retain(|entry| entry.start < end);
        }
        self.entries.len() != before
    }

    /// Lets the lineage begin at `start`: earlier epochs go,
    /// and the one in force at `start` begins there. True if something changed.
    pub fn truncate_from_start(&mut self, start: Offset) -> bool {
        let covered = self.entries.partition_point(|entry| entry.start <= start);
        let Some(in_force) = covered.checked_sub(1) else {
            return false;
        };
        let removed = self.entries.drain(..in_force).count();
        let Some(first) = self.entries.first_mut() else {
            return false;
        };
        let moved = first.start != start;
        first.start = start;
        removed > 0 || moved
    }

    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The epoch of the record at `offset`; `None` before the first known epoch.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let count = self.entries.partition_point(|entry| entry.start <= offset);
        self.entries.get(count.checked_sub(1)?).map(|entry| entry.epoch)
    }

    /// The largest epoch not above `epoch`, and where it ends: the start of the next one, or
    /// `log_end_offset` for the latest. An epoch below all known ones ends where the first known one begins.
    /// A future or negative epoch: `None`, which is answered as -1/-1. Kafka:
    /// `LeaderEpochFileCache.endOffsetFor`.
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        log_end_offset: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.entries.last()?;
        if epoch == LeaderEpoch::NONE || epoch > latest.epoch {
            return None;
        }
        if epoch == latest.epoch {
            return Some((epoch, log_end_offset));
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries.get(above)?.start;
        let floor = above.checked_sub(1).and_then(|place| self.entries.get(place));
        Some((floor.map_or(epoch, |entry| entry.epoch), end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "epoch@start ..." to a lineage.
    fn lineage(text: &str) -> EpochLineage {
        let mut lineage = EpochLineage::new();
        for pair in text.split_whitespace() {
            let (epoch, start) = pair.split_once('@').unwrap();
            lineage.assign(LeaderEpoch(epoch.parse().unwrap()), Offset(start.parse().unwrap()));
        }
        lineage
    }

    fn text(lineage: &EpochLineage) -> String {
        let entries: Vec<_> = lineage.entries().iter().map(|e| format!("{}@{}", e.epoch, e.start)).collect();
        entries.join(" ")
    }

    #[test]
    fn assigning() {
        let cases = [
            ("0@0 2@10 2@20", "0@0 2@10"),
            ("0@0 2@10 2@5", "0@0 2@5"),
            ("0@0 1@10 2@10", "0@0 2@10"),
            ("0@0 1@10 3@4", "0@0 3@4"),
            ("5@0 3@7", "3@7"),
            ("1@5 2@3", "2@3"),
        ];
        for (assigned, kept) in cases {
            assert_eq!(text(&lineage(assigned)), kept, "{assigned}");
        }
    }

    #[test]
    fn end_offsets() {
        // Lineage 2@10 4@20 7@50, log end 60.
        let cases =
            [(-1, None), (0, Some((0, 10))), (1, Some((1, 10))), (2, Some((2, 20))), (3, Some((2, 20)))]
                .into_iter()
                .chain([(4, Some((4, 50))), (6, Some((4, 50))), (7, Some((7, 60))), (8, None)]);
        let lineage = lineage("2@10 4@20 7@50");
        for (epoch, expected) in cases {
            let expected = expected.map(|(epoch, end)| (LeaderEpoch(epoch), Offset(end)));
            assert_eq!(lineage.end_offset_for(LeaderEpoch(epoch), Offset(60)), expected, "{epoch}");
        }
        assert_eq!(EpochLineage::new().end_offset_for(LeaderEpoch(0), Offset(0)), None);
    }

    #[test]
    fn truncating() {
        for (end, kept) in [(60, "2@10 4@20 7@50"), (50, "2@10 4@20"), (20, "2@10"), (10, ""), (0, "")] {
            let mut lineage = lineage("2@10 4@20 7@50");
            lineage.truncate_from_end(Offset(end));
            assert_eq!(text(&lineage), kept, "end {end}");
        }
        for (start, kept) in [(5, "2@10 4@20 7@50"), (10, "2@10 4@20 7@50"), (15, "2@15 4@20 7@50")]
            .into_iter()
            .chain([(20, "4@20 7@50"), (55, "7@55"), (100, "7@100")])
        {
            let mut lineage = lineage("2@10 4@20 7@50");
            let changed = lineage.truncate_from_start(Offset(start));
            assert_eq!(text(&lineage), kept, "start {start}");
            assert_eq!(changed, kept != "2@10 4@20 7@50");
        }
    }

    #[test]
    fn epoch_of_an_offset() {
        let lineage = lineage("2@10 4@20");
        let found = [5, 10, 19, 20, 99].map(|offset| lineage.epoch_at(Offset(offset)).map(|epoch| epoch.0));
        assert_eq!(found, [None, Some(2), Some(2), Some(4), Some(4)]);
    }
}
