//! The tasks that write sealed frames to the journal.

use std::rc::Rc;

use crate::api::Planted;
use crate::commit::queue::{Commit, WriteInFlight};
use crate::counters::Counters;
use crate::device::fatal::Fatal;
use crate::device::planted::PlantedFault;

/// Writes the frames of one shard. Driven by as many tasks as there may be writes in flight.
pub(crate) struct FrameWriter {
    pub(crate) commit: Rc<Commit>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) planted: PlantedFault,
    pub(crate) fatal: Fatal,
}

impl FrameWriter {
    /// Writes sealed frames to the journal, one write after the other; a shard has as many of these as there
    /// may be writes in flight. Runs until the shard ends.
    ///
    /// A write that fails or falls short ends the process: what the device holds is unknown from then on.
    pub(crate) async fn run(self: Rc<Self>) {
        let commit = &self.commit;
        loop {
            commit.until_due().await;
            let taken = commit.begun.borrow_mut().pop_front();
            let Some(WriteInFlight { write, begun, done }) = taken.or_else(|| commit.begin_write()) else {
                commit.signals.frames.wait().await;
                continue;
            };
            let written = done.await;
            match written {
                Ok(bytes) if bytes == write.len => {}
                _ if self.planted.is(Planted::TrustsFailedWrites) => {}
                Ok(bytes) => {
                    self.fatal.end(format!("a journal write took {bytes} of {} bytes", write.len)).await
                }
                Err(error) => self.fatal.end(format!("a journal write failed: {error}")).await,
            }
            commit.journal.borrow_mut().written(write.through);
            let now = millrace_rt::now();
            self.counters.journal.commit_nanos.record((now - begun).as_nanos() as u64);
            self.counters.journal.journal_bytes.add(write.len as u64);
            commit.credit.committed(write.len as u64);
            commit.classes.commit_ended(write.len as u64, now);
            commit.answer_hard(now);
            commit.signals.frames.notify_all();
            commit.signals.hardened.notify_all();
            commit.signals.work.notify_all();
            commit.signals.written.notify_all();
        }
    }
}
