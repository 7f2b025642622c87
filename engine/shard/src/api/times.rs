//! Where the time of an append or a fetch went: moments that its steps leave, and the stages between them.

use std::time::Duration;

use millrace_rt::Moment;

/// How far the appends came that one shard owns of a request; where several were sealed, the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Milestones {
    /// They reached their shard.
    pub(crate) queued: Moment,
    /// They stood in a sealed frame.
    pub(crate) sealed: Moment,
    /// They were as durable as their topic wants.
    pub(crate) durable: Moment,
}

impl Milestones {
    /// Nothing but their arrival has happened.
    pub(crate) fn arrived(now: Moment) -> Milestones {
        Milestones { queued: now, sealed: now, durable: now }
    }

    pub(crate) fn reach(&mut self, sealed: Moment, durable: Moment) {
        self.sealed = self.queued.max(sealed);
        self.durable = self.sealed.max(durable);
    }
}

/// Where the time of a request's appends went, on the way of those that were known last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppendTimes {
    /// They left for their owner.
    pub admitted: Moment,
    /// To another shard and back.
    pub hop: Duration,
    /// Validated, waiting for their turn, and copied into a frame.
    pub journal: Duration,
    /// Until the device had the frame; zero if the topic's response does not wait for it.
    pub flush: Duration,
}

impl AppendTimes {
    pub(crate) fn local(reached: Milestones) -> AppendTimes {
        AppendTimes {
            admitted: reached.queued,
            hop: Duration::ZERO,
            journal: reached.sealed - reached.queued,
            flush: reached.durable - reached.sealed,
        }
    }

    pub(crate) fn remote(admitted: Moment, reached: Milestones, answered: Moment) -> AppendTimes {
        let hop = (reached.queued - admitted) + (answered - reached.durable);
        AppendTimes { admitted, hop, ..AppendTimes::local(reached) }
    }
}

/// Where the time of a fetch went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchTimes {
    /// To other shards and back.
    pub hop: Duration,
    /// In the logs: of several shards that read at once, the longest.
    pub read: Duration,
    /// For bytes that were not there.
    pub wait: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::ZERO + Duration::from_nanos(nanos)
    }

    #[test]
    fn stages_add_up_to_the_whole_way() {
        let mut reached = Milestones::arrived(at(100));
        reached.reach(at(130), at(190));
        let local = AppendTimes::local(reached);
        assert_eq!((local.journal.as_nanos(), local.flush.as_nanos(), local.hop.as_nanos()), (30, 60, 0));
        let remote = AppendTimes::remote(at(80), reached, at(200));
        assert_eq!(remote.hop.as_nanos(), 30);
        assert_eq!(remote.admitted + remote.hop + remote.journal + remote.flush, at(200));
    }

    #[test]
    fn a_retry_answered_by_an_older_frame_waits_for_no_seal() {
        let mut reached = Milestones::arrived(at(100));
        reached.reach(at(50), at(120));
        assert_eq!(AppendTimes::local(reached).journal, Duration::ZERO);
        assert_eq!(AppendTimes::local(reached).flush.as_nanos(), 20);
    }
}
