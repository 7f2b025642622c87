//! Group commit: the task that applies queued appends and seals them in frames.

use std::rc::Rc;

use millrace_core::base::ids::{Durability, TimestampMs};
use millrace_core::journal::Purpose;

use crate::api::Planted;
use crate::append::apply::{Applied, Applier};
use crate::append::extent::ExtentWriter;
use crate::commit::pending_append::{Completion, Served};
use crate::commit::queue::{Commit, Sealed};
use crate::counters::Counters;
use crate::device::planted::PlantedFault;
use crate::flush::tail_flusher::TailFlusher;
use crate::partition::tail_memory::TailMemory;

/// A frame larger than this gains no throughput (64 KiB writes 466 MB/s,
/// 512 KiB 1.9 GB/s) and delays those behind it.
const FRAME_BYTES_GOAL: usize = 512 * 1024;

/// Seals what is queued. Lives on one shard; driven by one task.
pub(crate) struct FrameSealer {
    pub(crate) commit: Rc<Commit>,
    pub(crate) applier: Rc<Applier>,
    pub(crate) extents: Rc<ExtentWriter>,
    pub(crate) flusher: Rc<TailFlusher>,
    pub(crate) tails: Rc<TailMemory>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) planted: PlantedFault,
}

impl FrameSealer {
    /// Seals frames whenever there is something to seal and room for it. Runs until the shard ends.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            while self.commit.may_seal() && self.seal_frame() {}
            // Tasks that became ready before the one that rings here run first:
            // their appends share the frame.
            self.commit.signals.work.wait().await;
        }
    }

    /// Applies queued appends and seals them in one frame; false where none could be taken now.
    fn seal_frame(&self) -> bool {
        let commit = &self.commit;
        let room = commit.room(Purpose::Append);
        let now = TimestampMs(millrace_rt::wall_now_ms());
        let mut queue = commit.queue.borrow_mut();
        let mut applied = Applied::with_capacity(queue.appends.len());
        let extents = self.extents.enter_extents(room, &mut applied);
        let served = extents
            + queue.serve(|pending| {
                let left = room.saturating_sub(applied.sealed_bytes);
                let is_full = applied.sealed_bytes >= FRAME_BYTES_GOAL || pending.sealed_bytes_max() > left;
                if is_full || !self.flusher.has_tail_room() {
                    return Served::NoRoom;
                }
                self.applier.apply(pending, now, &mut applied)
            });
        let may_go_on = served > 0 && !queue.blocked;
        drop(queue);
        if served == 0 && self.tails.is_waited_for() {
            self.counters.tails.tail_waits.increment();
        } else if served == 0 {
            // Something is queued, and neither ring nor slots have room for it.
            self.counters.journal.journal_waits.increment();
        }
        if applied.entries.is_empty() {
            self.settle(applied.completions);
            // The queue is shorter and nothing may follow: a task that waits for it to be empty looks again.
            commit.signals.hardened.notify_all();
            return may_go_on;
        }
        self.seal_applied(applied);
        true
    }

    fn seal_applied(&self, applied: Applied) {
        let commit = &self.commit;
        let Applied { entries, fills, mut completions, .. } = applied;
        let frame = {
            let mut journal = commit.journal.borrow_mut();
            let sealed = journal.seal(&entries, &mut |at, bytes| commit.ring.write(at, bytes));
            // Jobs are taken only while the journal has room for them, and nothing runs in between.
            sealed.unwrap_or_else(|_| unreachable!("the journal had room for what was applied"))
        };
        self.counters.journal.frame_bytes.record(frame.len as u64);
        for completion in &completions {
            completion.partition.borrow_mut().mark(frame.sequence);
        }
        let at = millrace_rt::now();
        let too_early = self.planted.is(Planted::AnswersTooEarly);
        let at_the_seal = |completion: &Completion| too_early || completion.durability == Durability::Process;
        if !completions.iter().any(at_the_seal)
            && let Some(begun) = commit.begin_write()
        {
            // Everybody waits for the device, and it works while the tails are filled.
            commit.begun.borrow_mut().push_back(begun);
        }
        self.applier.fill_tails(&entries, fills);
        completions
            .extract_if(.., |completion| at_the_seal(completion))
            .for_each(|completion| completion.happen(at, at));
        commit.sealed.borrow_mut().push_back(Sealed {
            sequence: frame.sequence,
            bytes: frame.len,
            at,
            completions,
        });
        commit.signals.frames.notify_all();
    }

    /// Effects without an entry of their own: retries of appends that may still be in flight.
    fn settle(&self, completions: Vec<Completion>) {
        let mut sealed = self.commit.sealed.borrow_mut();
        match sealed.back_mut() {
            Some(last) => {
                last.completions.extend(completions);
                self.commit.signals.frames.notify_all();
            }
            None => {
                drop(sealed);
                let now = millrace_rt::now();
                completions.into_iter().for_each(|completion| completion.happen(now, now));
            }
        }
    }
}
