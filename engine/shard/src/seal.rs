//! The tasks of group commit: one applies queued appends and seals them in frames, the others write the frames.

use std::rc::Rc;

use millrace_core::base::ids::{Durability, TimestampMs};
use millrace_core::journal::Purpose;

use crate::api::Planted;
use crate::append::Applied;
use crate::commit::{Sealed, WriteInFlight};
use crate::job::{Effect, Turn};
use crate::shard::Core;

/// A frame larger than this gains no throughput (64 KiB writes 466 MB/s, 512 KiB 1.9 GB/s) and delays those behind it.
const FRAME_BYTES_GOAL: usize = 512 * 1024;

impl Core {
    /// Seals frames whenever there is something to seal and room for it. Runs until the shard ends.
    pub(crate) async fn seal_frames(self: Rc<Core>) {
        loop {
            while self.commit.may_seal() && self.seal_frame() {}
            // Tasks that became ready before whoever rings here run first: their appends share the frame.
            self.commit.work.wait().await;
        }
    }

    /// Applies queued appends and seals them in one frame; false where none could be taken now.
    fn seal_frame(self: &Rc<Core>) -> bool {
        let commit = &self.commit;
        let room = commit.room(Purpose::Append);
        let now = TimestampMs(millrace_rt::wall_now_ms());
        let mut queue = commit.queue.borrow_mut();
        let mut applied = Applied::with_capacity(queue.jobs.len());
        let extents = self.enter_extents(room, &mut applied);
        let served = extents
            + queue.serve(|job| {
                let left = room.saturating_sub(applied.sealed_bytes);
                let is_full = applied.sealed_bytes >= FRAME_BYTES_GOAL || job.sealed_bytes_max() > left;
                if is_full || !self.has_tail_room() {
                    return Turn::Waits;
                }
                self.apply(job, now, &mut applied)
            });
        let may_go_on = served > 0 && !queue.blocked;
        drop(queue);
        if served == 0 && self.tails.is_waited_for() {
            self.counters.tail_waits.increment();
        } else if served == 0 {
            // Something is queued, and neither ring nor slots have room for it.
            self.counters.journal_waits.increment();
        }
        if applied.entries.is_empty() {
            self.settle(applied.effects);
            // The queue is shorter and nothing may follow: whoever waits for it to be empty looks again.
            commit.hardened.notify_all();
            return may_go_on;
        }
        self.seal_applied(applied);
        true
    }

    fn seal_applied(&self, applied: Applied) {
        let commit = &self.commit;
        let Applied { entries, fills, mut effects, .. } = applied;
        let frame = {
            let mut journal = commit.journal.borrow_mut();
            let sealed = journal.seal(&entries, &mut |at, bytes| commit.ring.write(at, bytes));
            // Jobs are taken only while the journal has room for them, and nothing runs in between.
            sealed.unwrap_or_else(|_| unreachable!("the journal had room for what was applied"))
        };
        self.counters.frame_bytes.record(frame.len as u64);
        for effect in &effects {
            effect.partition.borrow_mut().mark(frame.sequence);
        }
        let at = millrace_rt::now();
        let too_early = self.engine.planted == Some(Planted::AnswersTooEarly);
        let at_the_seal = |effect: &Effect| too_early || effect.durability == Durability::Process;
        if !effects.iter().any(at_the_seal)
            && let Some(begun) = commit.begin_write()
        {
            // Everybody waits for the device, and it works while the tails are filled.
            commit.begun.borrow_mut().push_back(begun);
        }
        self.fill_tails(&entries, fills);
        effects.extract_if(.., |effect| at_the_seal(effect)).for_each(|effect| effect.happen(at, at));
        commit.sealed.borrow_mut().push_back(Sealed {
            sequence: frame.sequence,
            bytes: frame.len,
            at,
            effects,
        });
        commit.frames.notify_all();
    }

    /// Effects without an entry of their own: retries of appends that may still be in flight.
    fn settle(&self, effects: Vec<Effect>) {
        let mut sealed = self.commit.sealed.borrow_mut();
        match sealed.back_mut() {
            Some(last) => {
                last.effects.extend(effects);
                self.commit.frames.notify_all();
            }
            None => {
                drop(sealed);
                let now = millrace_rt::now();
                effects.into_iter().for_each(|effect| effect.happen(now, now));
            }
        }
    }

    /// Writes sealed frames to the journal, one write after the other; a shard has as many of these as there may be writes
    /// in flight. Runs until the shard ends.
    ///
    /// A write that fails or falls short ends the process: what the device holds is unknown from then on.
    pub(crate) async fn write_frames(self: Rc<Core>) {
        let commit = &self.commit;
        loop {
            commit.until_due().await;
            let taken = commit.begun.borrow_mut().pop_front();
            let Some(WriteInFlight { write, begun, done }) = taken.or_else(|| commit.begin_write()) else {
                commit.frames.wait().await;
                continue;
            };
            let written = done.await;
            match written {
                Ok(bytes) if bytes == write.len => {}
                _ if self.engine.planted == Some(Planted::TrustsFailedWrites) => {}
                Ok(bytes) => self.fail(format!("a journal write took {bytes} of {} bytes", write.len)).await,
                Err(error) => self.fail(format!("a journal write failed: {error}")).await,
            }
            commit.journal.borrow_mut().written(write.through);
            let now = millrace_rt::now();
            self.counters.commit_nanos.record((now - begun).as_nanos() as u64);
            self.counters.journal_bytes.add(write.len as u64);
            self.flusher.committed(write.len as u64);
            commit.classes.commit_ended(write.len as u64, now);
            commit.answer_hard(now);
            commit.frames.notify_all();
            commit.hardened.notify_all();
            commit.work.notify_all();
            self.cleaning.look();
        }
    }
}
