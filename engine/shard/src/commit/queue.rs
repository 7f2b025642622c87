//! Group commit: gathers the appends of a turn from all partitions into frames, writes them, completes them.
//!
//! An append waits in the queue until it is applied and sealed in one step: so whatever a partition holds is
//! in a sealed frame, and a checkpoint never knows more than the journal.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::Durability;
use millrace_core::journal::{Entry, FrameSequence, FrameWrite, Journal, Purpose, WRITES_MAX};
use millrace_rt::{BegunWrite, File, Moment, SharedMemory, Signal, Sync};

use crate::commit::credit::FlushCredit;
use crate::commit::extents::Extents;
use crate::commit::pending_append::{Completion, PendingAppend, Served};
use crate::device::disk_classes::DiskClasses;

/// While a write is in flight the next frame is sealed once this much waits:
/// the copies overlap the device's work.
pub(crate) const SEAL_AHEAD_BYTES: usize = 128 * 1024;
/// Frames sealed ahead of the writes in flight where no append completes at the seal.
const SEAL_AHEAD_FRAMES: usize = 2;
/// Beside the write in flight another one begins once this much waits. Less than that shares one write with
/// what comes until the device is free: a write costs a processor 20 us and more, whatever is in it.
const BESIDE_BYTES: usize = 32 * 1024;

/// The commit path of one shard. Driven by one task that seals, and one for each write in flight.
pub(crate) struct Commit {
    pub(crate) journal: RefCell<Journal>,
    pub(crate) ring: SharedMemory,
    pub(crate) slots: Vec<File>,
    pub(crate) queue: RefCell<Queue>,
    pub(crate) extents: Extents,
    /// Frames sealed and not yet hard, with what completes then.
    pub(crate) sealed: RefCell<VecDeque<Sealed>>,
    /// The last frame whose write is waited for.
    pub(crate) wanted: Cell<FrameSequence>,
    pub(crate) credit: FlushCredit,
    pub(crate) signals: CommitSignals,
    pub(crate) classes: Rc<DiskClasses>,
    /// Writes in flight, until the tasks that wait for them take them.
    pub(crate) begun: RefCell<VecDeque<WriteInFlight>>,
    /// Slots that were zeroed, or passed over because the journal was there first.
    pub(crate) prepared_slots: Cell<usize>,
}

/// What tasks wait for.
#[derive(Default)]
pub(crate) struct CommitSignals {
    /// An append arrived, or room for one.
    pub(crate) work: Signal,
    /// A frame was sealed, or one that was sealed is waited for.
    pub(crate) frames: Signal,
    /// The hard sequence advanced, or a slot was prepared.
    pub(crate) hardened: Signal,
    /// A write ended: slots may be full.
    pub(crate) written: Signal,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) appends: VecDeque<PendingAppend>,
    pub(crate) bytes: usize,
    /// Jobs whose topic is answered at the seal.
    pub(crate) process: usize,
    /// The first append waits for its partition's last block.
    pub(crate) blocked: bool,
}

impl Queue {
    fn push(&mut self, pending: PendingAppend) {
        self.bytes += pending.records.len();
        self.process += usize::from(pending.durability == Durability::Process);
        self.appends.push_back(pending);
    }

    /// Takes appends out, in their order.
    pub(crate) fn take_out(&mut self, which: impl Fn(&PendingAppend) -> bool) -> VecDeque<PendingAppend> {
        let (out, stay): (VecDeque<PendingAppend>, _) =
            std::mem::take(&mut self.appends).into_iter().partition(which);
        self.appends = stay;
        for pending in &out {
            self.bytes -= pending.records.len();
            self.process -= usize::from(pending.durability == Durability::Process);
        }
        out
    }

    /// Serves appends where they stand, in their order, until `serve` leaves one waiting. Returns the number
    /// of those served; they are gone.
    ///
    /// They are not moved out: an append is of parts that a move reads in other sizes than they were written
    /// in, and such reads wait for every copy into cold memory before them (11 us of a request to 100
    /// partitions).
    pub(crate) fn serve(&mut self, mut serve: impl FnMut(&mut PendingAppend) -> Served) -> usize {
        if self.blocked {
            return 0;
        }
        let mut served = 0;
        for pending in &mut self.appends {
            let bytes = pending.records.len();
            match serve(pending) {
                Served::Done => served += 1,
                Served::NoRoom => break,
                Served::Blocked => {
                    self.blocked = true;
                    break;
                }
            }
            self.bytes -= bytes;
            self.process -= usize::from(pending.durability == Durability::Process);
        }
        self.appends.drain(..served);
        served
    }
}

pub(crate) struct Sealed {
    pub(crate) sequence: FrameSequence,
    pub(crate) bytes: usize,
    pub(crate) at: Moment,
    pub(crate) completions: Vec<Completion>,
}

impl Sealed {
    /// A response waits until it is hard.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.completions.is_empty()
    }
}

/// Frames on their way to a slot.
pub(crate) struct WriteInFlight {
    pub(crate) write: FrameWrite,
    pub(crate) begun: Moment,
    pub(crate) done: BegunWrite,
}

impl Commit {
    pub(crate) fn new(
        journal: Journal,
        ring: SharedMemory,
        slots: Vec<File>,
        classes: Rc<DiskClasses>,
    ) -> Commit {
        Commit {
            journal: RefCell::new(journal),
            ring,
            slots,
            queue: RefCell::default(),
            extents: Extents::default(),
            sealed: RefCell::default(),
            wanted: Cell::default(),
            credit: FlushCredit::default(),
            signals: CommitSignals::default(),
            classes,
            begun: RefCell::default(),
            prepared_slots: Cell::new(1),
        }
    }

    /// Queues an append; first come, first applied.
    pub(crate) fn enqueue(&self, pending: PendingAppend) {
        self.queue.borrow_mut().push(pending);
        self.signals.work.notify_all();
    }

    /// The first append can go on.
    pub(crate) fn unblock(&self) {
        self.queue.borrow_mut().blocked = false;
        self.signals.work.notify_all();
    }

    /// Room in the journal appeared.
    pub(crate) fn nudge(&self) {
        self.signals.work.notify_all();
    }

    /// Appends that are in no frame yet.
    pub(crate) fn waiting_appends(&self) -> usize {
        self.queue.borrow().appends.len() + self.extents.appends()
    }

    /// Bytes of appends that are in no frame yet.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.queue.borrow().bytes + self.extents.bytes()
    }

    /// Bytes that the device is behind: of appends in no frame yet, and of frames that are not hard.
    pub(crate) fn backlog_bytes(&self) -> usize {
        let sealed: usize = self.sealed.borrow().iter().map(|frame| frame.bytes).sum();
        self.waiting_bytes() + sealed
    }

    /// Completes once no append waits and every sealed frame is hard.
    pub(crate) async fn until_idle(&self) {
        let waits = || self.waiting_appends() > 0 || self.extents.running() > 0;
        while waits() || !self.sealed.borrow().is_empty() {
            self.hasten(self.sealed_sequence());
            self.signals.hardened.wait().await;
        }
    }

    /// What always holds between two turns of tasks.
    pub(crate) fn check_whole(&self) {
        let journal = self.journal.borrow();
        journal.check();
        let sealed = self.sealed.borrow();
        for (frame, next) in sealed.iter().zip(sealed.iter().skip(1)) {
            assert!(frame.sequence < next.sequence, "frames are answered in their order");
        }
        assert!(
            sealed.back().is_none_or(|last| last.sequence <= journal.sealed()),
            "only sealed frames are answered"
        );
        assert!(self.prepared_slots.get() <= self.slots.len(), "a slot is prepared once");
        let queue = self.queue.borrow();
        let bytes: usize = queue.appends.iter().map(|pending| pending.records.len()).sum();
        assert_eq!(queue.bytes, bytes, "the queue counts its bytes");
        let process =
            queue.appends.iter().filter(|pending| pending.durability == Durability::Process).count();
        assert_eq!(queue.process, process, "the queue counts those who are answered at the seal");
    }

    pub(crate) fn sealed_sequence(&self) -> FrameSequence {
        self.journal.borrow().sealed()
    }

    /// Nothing sealed waits for the device.
    pub(crate) fn is_hard(&self) -> bool {
        let journal = self.journal.borrow();
        journal.hard() == journal.sealed()
    }

    /// Somebody waits for this frame's write.
    pub(crate) fn hasten(&self, sequence: FrameSequence) {
        self.wanted.set(self.wanted.get().max(sequence));
        self.signals.frames.notify_all();
    }

    /// Completes once every frame up to `sequence` is hard.
    pub(crate) async fn until_hard(&self, sequence: FrameSequence) {
        self.hasten(sequence);
        while self.journal.borrow().hard() < sequence {
            self.signals.hardened.wait().await;
        }
    }

    /// Seals carries or other entries of upkeep; false where there is no room for them now.
    pub(crate) fn seal_upkeep(&self, entries: &[Entry<Vec<Bytes>>]) -> Option<FrameSequence> {
        let frame = {
            let mut journal = self.journal.borrow_mut();
            journal.seal(entries, &mut |at, bytes| self.ring.write(at, bytes)).ok()?
        };
        self.sealed.borrow_mut().push_back(Sealed {
            sequence: frame.sequence,
            bytes: frame.len,
            at: millrace_rt::now(),
            completions: Vec::new(),
        });
        self.signals.frames.notify_all();
        Some(frame.sequence)
    }

    pub(crate) fn room(&self, purpose: Purpose) -> usize {
        self.journal.borrow().room(purpose)
    }

    /// Slots from this one on are not zeroed yet; the writer waits for a slot's turn.
    pub(crate) fn slots_prepared(&self, slots: usize) {
        self.prepared_slots.set(slots);
        self.signals.frames.notify_all();
    }

    /// Begins to write every frame that is sealed and not written. None while the device has enough, nothing
    /// is to be written, or the slot is not zeroed yet.
    pub(crate) fn begin_write(&self) -> Option<WriteInFlight> {
        if !self.has_device_room(self.sealed_bytes_waiting()) {
            return None;
        }
        let mut journal = self.journal.borrow_mut();
        if journal.next_slot()? >= self.prepared_slots.get() {
            return None;
        }
        let write = journal.next_write()?;
        self.classes.commit_begins(write.len as u64);
        let frames = self.ring.view(write.ring_at..write.ring_at + write.len);
        let begun = millrace_rt::now();
        let done = self.slots[write.slot].begin_write_at(write.slot_at as u64, vec![frames], Sync::Dsync);
        Some(WriteInFlight { write, begun, done })
    }

    /// Bytes of frames that no write was begun for.
    pub(crate) fn sealed_bytes_waiting(&self) -> usize {
        self.journal.borrow().waiting().map(|frame| frame.len).sum()
    }

    /// Whether a write of `bytes` may begin now.
    pub(crate) fn has_device_room(&self, bytes: usize) -> bool {
        match self.journal.borrow().writes_in_flight() {
            0 => true,
            writes => writes < WRITES_MAX && bytes >= BESIDE_BYTES,
        }
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.journal.borrow().writes_in_flight() > 0
    }

    pub(crate) fn slot_file(&self, slot: usize) -> Option<&File> {
        self.slots.get(slot)
    }

    pub(crate) fn may_seal(&self) -> bool {
        let queue = self.queue.borrow();
        let has_extents = !self.extents.written.borrow().is_empty();
        if !has_extents && (queue.appends.is_empty() || queue.blocked) {
            return false;
        }
        let ahead = self.journal.borrow().waiting().count();
        self.has_device_room(queue.bytes)
            || queue.process > 0
            || ((queue.bytes >= SEAL_AHEAD_BYTES || has_extents) && ahead < SEAL_AHEAD_FRAMES)
    }

    /// Completes appends whose frames are hard now.
    pub(crate) fn answer_hard(&self, now: Moment) {
        let hard = self.journal.borrow().hard();
        loop {
            let frame = {
                let mut sealed = self.sealed.borrow_mut();
                match sealed.front() {
                    Some(frame) if frame.sequence <= hard => sealed.pop_front(),
                    _ => None,
                }
            };
            let Some(Sealed { at, completions, .. }) = frame else { return };
            completions.into_iter().for_each(|completion| completion.happen(at, now));
        }
    }
}
