//! What always holds of a partition between two turns of tasks.

use crate::partition::segment::Stage;
use crate::partition::state::{LogEnds, Partition};

impl LogEnds {
    pub(crate) fn check(&self) {
        assert!(
            self.log_start_offset <= self.high_watermark && self.high_watermark <= self.log_end_offset,
            "log start offset {} <= high watermark {} <= log end offset {}",
            self.log_start_offset,
            self.high_watermark,
            self.log_end_offset
        );
        assert!(self.log_start_offset <= self.sealed_start.offset, "readers see no start that is not sealed");
        assert!(
            self.sealed_start.first_segment <= self.sealed_start.offset,
            "the first segment holds the start"
        );
    }
}

impl Partition {
    /// In constant time, at each transition: the ends of the log, and its active segment.
    pub(crate) fn check(&self) {
        self.ends.check();
        let active = self.active();
        active.check();
        assert!(active.base <= self.ends.log_end_offset, "the active segment begins within the log");
        assert_eq!(active.stage, Stage::Active, "the last segment takes the appends");
    }

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
