//! What always holds of a partition between two turns of tasks.

use crate::partition::segment::Stage;
use crate::partition::state::Partition;

impl Partition {
    /// Every segment, mark, epoch and producer.
    pub(crate) fn check_whole(&self) {
        self.check();
        for (segment, next) in self.segments.iter().zip(self.segments.iter().skip(1)) {
            segment.check();
            assert!(segment.base < next.base, "segments are in the order of their offsets");
            assert_ne!(segment.stage, Stage::Active, "only the last segment takes appends");
        }
        for (mark, next) in self.marks.iter().zip(self.marks.iter().skip(1)) {
            assert!(mark.frame <= next.frame && mark.end <= next.end, "marks follow one another");
        }
        assert!(
            self.marks.back().is_none_or(|mark| mark.end <= self.end()),
            "no mark is behind the log's end"
        );
        let latest = self.history.epochs.latest();
        assert!(
            latest
                .is_none_or(|epoch| epoch.start <= self.ends.log_end_offset
                    && epoch.epoch <= self.history.leader_epoch),
            "no epoch begins behind the log's end, and none is newer than the leader's"
        );
        assert!(
            self.history.producers.newest_offset().is_none_or(|last| last < self.ends.log_end_offset),
            "no producer's last record is behind the log's end"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use millrace_core::base::config::{BrokerConfig, TopicConfig};
    use millrace_core::base::ids::{LeaderEpoch, Offset, PartitionIndex, PartitionKey, TopicId};
    use millrace_core::journal::FrameSequence;

    use super::*;
    use crate::partition::segment::{FileState, Segment};
    use crate::partition::state::{LogPosition, Mark, SealedStart};

    /// A log of two segments: [0, 10) is whole in its file, [10, 20) is being appended to.
    fn sound() -> Partition {
        let config = Arc::new(TopicConfig::defaults(&BrokerConfig::default()));
        let key = PartitionKey::new(TopicId([7; 16]), PartitionIndex(0));
        let mut partition = Partition::empty(key, "planted".into(), config, LeaderEpoch(3));
        partition.ends.log_end_offset = Offset(20);
        partition.ends.high_watermark = Offset(15);
        partition.segments =
            vec![Segment::on_disk(Offset(0), 100, Stage::Finished), Segment::new(Offset(10))];
        partition.history.epochs.assign(LeaderEpoch(3), Offset(0));
        partition
    }

    /// What is wrong, and how it comes about.
    type Fault = (&'static str, fn(&mut Partition));

    fn mark(segment: i64, position: u64) -> Mark {
        Mark { frame: FrameSequence(1), end: LogPosition { segment: Offset(segment), position } }
    }

    #[test]
    fn each_planted_fault_is_found() {
        sound().check_whole();
        let faults: [Fault; 15] = [
            ("a start above the high watermark", |it| it.ends.log_start_offset = Offset(16)),
            ("a high watermark above the end", |it| it.ends.high_watermark = Offset(21)),
            ("a start that is not sealed", |it| it.ends.log_start_offset = Offset(1)),
            ("a sealed start before its segment", |it| {
                it.ends.sealed_start = SealedStart::hard(Offset(5), Offset(10));
            }),
            ("more released than written", |it| it.segments[0].file.released = 101),
            ("more written than appended", |it| it.segments[1].file.written = 1),
            ("a finished segment that is not written", |it| it.segments[0].file.written = 99),
            ("hard bytes of a file that is not there", |it| it.segments[0].file.state = FileState::Missing),
            ("a last segment that takes nothing", |it| it.segments[1].stage = Stage::Rolled),
            ("two segments that take appends", |it| it.segments[0].stage = Stage::Active),
            ("segments out of order", |it| it.segments[0].base = Offset(11)),
            ("an active segment behind the end", |it| it.segments[1].base = Offset(21)),
            ("a mark behind the end", |it| it.marks.push_back(mark(10, 1))),
            ("marks out of order", |it| it.marks.extend([mark(10, 0), mark(0, 100)])),
            ("an epoch newer than the leader's", |it| {
                it.history.epochs.assign(LeaderEpoch(4), Offset(5));
            }),
        ];
        for (fault, plant) in faults {
            let mut partition = sound();
            plant(&mut partition);
            let found = catch_unwind(AssertUnwindSafe(|| partition.check_whole()));
            assert!(found.is_err(), "nothing found {fault}");
        }
    }
}
