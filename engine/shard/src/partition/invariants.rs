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
            self.history.producers.last_offsets().values().all(|last| *last < self.ends.log_end_offset),
            "no producer's last record is behind the log's end"
        );
    }
}
