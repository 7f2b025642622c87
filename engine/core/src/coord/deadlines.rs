//! Timeouts by the thousand: moving one further away, as each heartbeat does, touches no queue.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ids::{GroupId, MemberId, MonotonicMs};

/// What a timeout is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A member's session, or that of an id which was given away.
    Session(GroupId, MemberId),
    /// The phase in which members join.
    Join(GroupId),
    /// The phase in which members fetch their assignment.
    Sync(GroupId),
    /// The time that a member of a consumer group has to give partitions up, or, where it speaks the classic
    /// protocol, for its next join or sync.
    Revocation(GroupId, MemberId),
    /// The search for expired offsets.
    Search,
}

impl Subject {
    /// The group that it is in.
    pub(super) fn group(&self) -> Option<&GroupId> {
        match self {
            Subject::Session(group, _) | Subject::Revocation(group, _) => Some(group),
            Subject::Join(group) | Subject::Sync(group) => Some(group),
            Subject::Search => None,
        }
    }

    /// Of the names in it.
    fn text_bytes(&self) -> usize {
        match self {
            Subject::Session(group, member) | Subject::Revocation(group, member) => {
                group.len() + member.len()
            }
            Subject::Join(group) | Subject::Sync(group) => group.len(),
            Subject::Search => 0,
        }
    }
}

/// One timeout, held by what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timer {
    /// When it fires.
    armed: MonotonicMs,
    /// The queue's entry for it; never later than `armed`.
    queued: MonotonicMs,
}

/// What the queue's entry meant for its timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fired {
    /// The timeout is over.
    Now,
    /// It was moved or cancelled meanwhile.
    NotYet,
}

/// The queue of all timeouts of a coordinator. A timer has one entry, which is looked at again when it comes
/// up; so `next` can be earlier than the next timeout, never later.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadlines {
    queue: BinaryHeap<Reverse<(MonotonicMs, Subject)>>,
    /// Length at which it is purged again: twice of what the last purge left.
    purge_above: usize,
    /// Of the names in it, which those of members that are gone keep: a client may give itself a long one.
    text_bytes: usize,
    purge_above_bytes: usize,
}

/// A queue up to this length is left alone: it takes less than a request.
const ENTRIES_PURGED_ABOVE: usize = 1024;

/// The same of the names in it.
const TEXT_BYTES_PURGED_ABOVE: usize = 128 * 1024;

impl Default for Timer {
    fn default() -> Timer {
        Timer { armed: MonotonicMs::NEVER, queued: MonotonicMs::NEVER }
    }
}

impl Timer {
    pub(super) fn cancel(&mut self) {
        self.armed = MonotonicMs::NEVER;
    }

    pub(super) fn is_armed(&self) -> bool {
        self.armed != MonotonicMs::NEVER
    }

    /// Whether the entry that was queued for `at` is this timer's.
    pub(super) fn owns(&self, at: MonotonicMs) -> bool {
        self.queued == at
    }
}

impl Deadlines {
    /// Lets `timer` fire at `at`, and no longer when it would have.
    pub(super) fn arm(&mut self, timer: &mut Timer, at: MonotonicMs, subject: impl FnOnce() -> Subject) {
        timer.armed = at;
        if at < timer.queued {
            timer.queued = at;
            let subject = subject();
            self.text_bytes += subject.text_bytes();
            self.queue.push(Reverse((at, subject)));
        }
    }

    /// Takes the next entry that came up by `now`.
    pub(super) fn pop(&mut self, now: MonotonicMs) -> Option<(MonotonicMs, Subject)> {
        let Reverse((at, _)) = self.queue.peek()?;
        if *at > now {
            return None;
        }
        let Reverse((at, subject)) = self.queue.pop()?;
        self.text_bytes -= subject.text_bytes();
        Some((at, subject))
    }

    /// Whether the entry of `subject` that was queued for `at` means that its timer fires.
    /// If it was moved, it is queued again.
    pub(super) fn fired(
        &mut self,
        timer: &mut Timer,
        at: MonotonicMs,
        now: MonotonicMs,
        subject: impl FnOnce() -> Subject,
    ) -> Fired {
        if !timer.owns(at) {
            // An entry that an earlier one overtook, or of another timer that had the same subject.
            return Fired::NotYet;
        }
        timer.queued = MonotonicMs::NEVER;
        if timer.armed <= now {
            timer.armed = MonotonicMs::NEVER;
            return Fired::Now;
        }
        if timer.armed != MonotonicMs::NEVER {
            let armed = timer.armed;
            self.arm(timer, armed, subject);
        }
        Fired::NotYet
    }

    pub(super) fn next(&self) -> Option<MonotonicMs> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Whether most entries may be of timers that are gone: members that left leave theirs behind.
    pub(super) fn is_overgrown(&self) -> bool {
        self.queue.len() > self.purge_above.max(ENTRIES_PURGED_ABOVE)
            || self.text_bytes > self.purge_above_bytes.max(TEXT_BYTES_PURGED_ABOVE)
    }

    /// Drops the entries that `is_owned` does not know.
    pub(super) fn purge(&mut self, is_owned: impl Fn(MonotonicMs, &Subject) -> bool) {
        self.queue.retain(|Reverse((at, subject))| is_owned(*at, subject));
        self.queue.shrink_to(self.queue.len() * 2);
        self.purge_above = self.queue.len() * 2;
        self.text_bytes = self.queue.iter().map(|Reverse((_, subject))| subject.text_bytes()).sum();
        self.purge_above_bytes = self.text_bytes * 2;
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs until `end` and says when the timer fired.
    fn run(deadlines: &mut Deadlines, timer: &mut Timer, end: u64) -> Vec<u64> {
        let mut times = Vec::new();
        for now in (0..=end).map(MonotonicMs) {
            while let Some((at, _)) = deadlines.pop(now) {
                if deadlines.fired(timer, at, now, || Subject::Search) == Fired::Now {
                    times.push(now.0);
                }
            }
        }
        times
    }

    #[test]
    fn a_timer_fires_once_when_it_was_last_set_to() {
        let cases: [(&[u64], &[u64]); 4] =
            [(&[5], &[5]), (&[5, 9, 30, 12], &[12]), (&[30, 9, 5, 9], &[9]), (&[7, 7, 7], &[7])];
        for (set, fires) in cases {
            let (mut deadlines, mut timer) = (Deadlines::default(), Timer::default());
            for at in set {
                deadlines.arm(&mut timer, MonotonicMs(*at), || Subject::Search);
            }
            assert_eq!(run(&mut deadlines, &mut timer, 40), fires, "{set:?}");
            assert_eq!(deadlines.len(), 0, "{set:?}");
        }
    }

    #[test]
    fn a_cancelled_timer_is_silent_until_it_is_set_again() {
        let (mut deadlines, mut timer) = (Deadlines::default(), Timer::default());
        deadlines.arm(&mut timer, MonotonicMs(3), || Subject::Search);
        timer.cancel();
        assert!(run(&mut deadlines, &mut timer, 10).is_empty());
        deadlines.arm(&mut timer, MonotonicMs(4), || Subject::Search);
        assert_eq!(run(&mut deadlines, &mut timer, 10), [4]);
    }

    #[test]
    fn moving_a_timer_away_queues_nothing() {
        let (mut deadlines, mut timer) = (Deadlines::default(), Timer::default());
        for at in 10..1000 {
            deadlines.arm(&mut timer, MonotonicMs(at), || Subject::Search);
        }
        assert_eq!((deadlines.len(), deadlines.next()), (1, Some(MonotonicMs(10))));
        assert_eq!(run(&mut deadlines, &mut timer, 2000), [999]);
    }
}
