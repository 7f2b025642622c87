//! Group commit: gathers the appends of a turn from all partitions into frames, writes them, answers.
//!
//! An append waits in the queue until it is applied and sealed in one step: so whatever a partition holds is in a
//! sealed frame, and a checkpoint never knows more than the journal.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::{Durability, Offset};
use millrace_core::journal::{Entry, EntryRef, FrameSequence, Journal, Purpose};
use millrace_rt::{File, SharedMemory, Signal, Sync};

use crate::api::{Appended, Planted};
use crate::append::{Job, Step};
use crate::partition::{LogPosition, PartitionRef};
use crate::shard::Core;
use crate::ticket::Gathering;

/// A frame larger than this gains no throughput (64 KiB writes 466 MB/s, 512 KiB 1.9 GB/s) and delays those behind it.
const FRAME_BYTES_GOAL: usize = 512 * 1024;
/// While a write is in flight the next frame is sealed once this much waits: the copies overlap the device's work.
const SEAL_AHEAD_BYTES: usize = 128 * 1024;
/// Frames sealed ahead of the write in flight where nobody asks for an answer at the seal.
const SEAL_AHEAD_FRAMES: usize = 2;

/// The commit path of one shard. Driven by two tasks: one seals, one writes.
pub(crate) struct Commit {
    pub(crate) journal: RefCell<Journal>,
    ring: SharedMemory,
    slots: Vec<File>,
    queue: RefCell<Queue>,
    /// Frames sealed and not yet hard, with whom to answer then.
    sealed: RefCell<VecDeque<Sealed>>,
    /// An append arrived, or room for one.
    work: Signal,
    /// A frame was sealed.
    frames: Signal,
    /// The hard sequence advanced, or a slot was prepared.
    pub(crate) hardened: Signal,
    writing: Cell<bool>,
    /// Slots that were zeroed, or passed over because the journal was there first.
    prepared_slots: Cell<usize>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Jobs whose topic is answered at the seal.
    process: usize,
    /// The first job waits for its partition's last block.
    blocked: bool,
}

struct Sealed {
    sequence: FrameSequence,
    effects: Vec<Effect>,
}

/// What becomes true once a frame is as durable as the topic asks.
pub(crate) struct Effect {
    pub(crate) partition: PartitionRef,
    pub(crate) durability: Durability,
    /// The high watermark then, and where it lies.
    pub(crate) reach: Offset,
    pub(crate) visible: LogPosition,
    pub(crate) answer: (Rc<Gathering>, usize),
    pub(crate) appended: Appended,
}

impl Effect {
    fn happen(self) {
        self.partition.borrow_mut().advance_high_watermark(self.reach, self.visible);
        let (gathering, append) = self.answer;
        gathering.resolve(append, Ok(self.appended));
    }
}

impl Commit {
    pub(crate) fn new(journal: Journal, ring: SharedMemory, slots: Vec<File>) -> Commit {
        Commit {
            journal: RefCell::new(journal),
            ring,
            slots,
            queue: RefCell::default(),
            sealed: RefCell::default(),
            work: Signal::new(),
            frames: Signal::new(),
            hardened: Signal::new(),
            writing: Cell::new(false),
            prepared_slots: Cell::new(1),
        }
    }

    /// Queues an append; first come, first applied.
    pub(crate) fn enqueue(&self, job: Job) {
        let mut queue = self.queue.borrow_mut();
        queue.bytes += job.records.len();
        queue.process += usize::from(job.durability == Durability::Process);
        queue.jobs.push_back(job);
        self.work.notify_all();
    }

    /// The first job can go on.
    pub(crate) fn unblock(&self) {
        self.queue.borrow_mut().blocked = false;
        self.work.notify_all();
    }

    /// Room in the journal appeared.
    pub(crate) fn nudge(&self) {
        self.work.notify_all();
    }

    /// Completes once no append waits and every sealed frame is hard.
    pub(crate) async fn until_idle(&self) {
        while !self.queue.borrow().jobs.is_empty() || !self.sealed.borrow().is_empty() {
            self.hardened.wait().await;
        }
    }

    pub(crate) fn sealed_sequence(&self) -> FrameSequence {
        self.journal.borrow().sealed()
    }

    /// Nothing sealed waits for the device.
    pub(crate) fn is_hard(&self) -> bool {
        let journal = self.journal.borrow();
        journal.hard() == journal.sealed()
    }

    /// Completes once every frame up to `sequence` is hard.
    pub(crate) async fn until_hard(&self, sequence: FrameSequence) {
        while self.journal.borrow().hard() < sequence {
            self.hardened.wait().await;
        }
    }

    /// Seals carries or other entries of upkeep; false where there is no room for them now.
    pub(crate) fn seal_upkeep(&self, entries: &[EntryRef<'_>]) -> Option<FrameSequence> {
        let frame = {
            let mut journal = self.journal.borrow_mut();
            journal.seal(entries, &mut |at, bytes| self.ring.write(at, bytes)).ok()?
        };
        self.sealed.borrow_mut().push_back(Sealed { sequence: frame.sequence, effects: Vec::new() });
        self.frames.notify_all();
        Some(frame.sequence)
    }

    pub(crate) fn room(&self, purpose: Purpose) -> usize {
        self.journal.borrow().room(purpose)
    }

    /// Slots from this one on are not zeroed yet; the writer waits for a slot's turn.
    pub(crate) fn slots_prepared(&self, slots: usize) {
        self.prepared_slots.set(slots);
        self.hardened.notify_all();
    }

    pub(crate) fn slot_file(&self, slot: usize) -> Option<&File> {
        self.slots.get(slot)
    }

    fn may_seal(&self) -> bool {
        let queue = self.queue.borrow();
        if queue.jobs.is_empty() || queue.blocked {
            return false;
        }
        let ahead = self.sealed.borrow().len();
        !self.writing.get()
            || queue.process > 0
            || (queue.bytes >= SEAL_AHEAD_BYTES && ahead <= SEAL_AHEAD_FRAMES)
    }
}

impl Core {
    /// Seals frames whenever there is something to seal and room for it. Runs until the shard ends.
    pub(crate) async fn seal_frames(self: Rc<Core>) {
        loop {
            while self.commit.may_seal() && self.seal_frame() {}
            self.commit.work.wait().await;
            // The other tasks of this turn add their appends first.
            millrace_rt::yield_now().await;
        }
    }

    /// Applies queued appends and seals them in one frame; false where none could be taken now.
    fn seal_frame(self: &Rc<Core>) -> bool {
        let commit = &self.commit;
        let room = commit.room(Purpose::Append);
        let mut entries: Vec<Entry<Vec<Bytes>>> = Vec::new();
        let mut effects = Vec::new();
        let mut bytes = 0;
        let mut took = false;
        while let Some(job) = commit.take_job(room - bytes.min(room), bytes) {
            took = true;
            match self.apply(&job, &mut entries) {
                Step::Applied(effect) => {
                    bytes = entries.iter().map(sealed_bytes).sum();
                    effects.push(effect);
                }
                Step::Answered => {}
                Step::Waits => {
                    commit.put_back(job);
                    break;
                }
            }
        }
        if entries.is_empty() {
            self.settle(effects);
            // The queue is shorter and nothing may follow: whoever waits for it to be empty looks again.
            commit.hardened.notify_all();
            return took && !commit.queue.borrow().blocked;
        }
        self.seal_applied(&entries, effects);
        true
    }

    fn seal_applied(&self, entries: &[Entry<Vec<Bytes>>], mut effects: Vec<Effect>) {
        let commit = &self.commit;
        let refs: Vec<EntryRef<'_>> = entries.iter().map(Entry::as_pieces).collect();
        let frame = {
            let mut journal = commit.journal.borrow_mut();
            let sealed = journal.seal(&refs, &mut |at, bytes| commit.ring.write(at, bytes));
            // Jobs are taken only while the journal has room for them, and nothing runs in between.
            sealed.unwrap_or_else(|_| unreachable!("the journal had room for what was applied"))
        };
        for effect in &effects {
            effect.partition.borrow_mut().mark(frame.sequence);
        }
        let too_early = self.engine.planted == Some(Planted::AnswersTooEarly);
        let now = effects.extract_if(.., |effect| too_early || effect.durability == Durability::Process);
        now.for_each(Effect::happen);
        commit.sealed.borrow_mut().push_back(Sealed { sequence: frame.sequence, effects });
        commit.frames.notify_all();
    }

    /// Effects without an entry of their own: retries of appends that may still be in flight.
    fn settle(&self, effects: Vec<Effect>) {
        let mut sealed = self.commit.sealed.borrow_mut();
        match sealed.back_mut() {
            Some(last) => last.effects.extend(effects),
            None => {
                drop(sealed);
                effects.into_iter().for_each(Effect::happen);
            }
        }
    }

    /// Writes sealed frames to the journal, one write in flight. Runs until the shard ends.
    ///
    /// A write that fails or falls short ends the process: what the device holds is unknown from then on.
    pub(crate) async fn write_frames(self: Rc<Core>) {
        let commit = &self.commit;
        loop {
            let write = commit.journal.borrow_mut().next_write();
            let Some(write) = write else {
                commit.frames.wait().await;
                continue;
            };
            commit.writing.set(true);
            while commit.prepared_slots.get() <= write.slot {
                commit.hardened.wait().await;
            }
            let frames = commit.ring.view(write.ring_at..write.ring_at + write.len);
            let slot = &commit.slots[write.slot];
            let written = slot.write_at(write.slot_at as u64, frames, Sync::Dsync).await;
            match written {
                Ok(bytes) if bytes == write.len => {}
                Ok(bytes) => self.fail(format!("a journal write took {bytes} of {} bytes", write.len)).await,
                Err(error) => self.fail(format!("a journal write failed: {error}")).await,
            }
            commit.journal.borrow_mut().written(write.through);
            commit.writing.set(false);
            commit.answer_hard();
            commit.hardened.notify_all();
            commit.work.notify_all();
            self.cleaning.look();
        }
    }
}

impl Commit {
    /// The first job, if it fits into `room` and the frame is not yet as long as it should be.
    fn take_job(&self, room: usize, taken_bytes: usize) -> Option<Job> {
        let mut queue = self.queue.borrow_mut();
        if queue.blocked || taken_bytes >= FRAME_BYTES_GOAL {
            return None;
        }
        let bytes = queue.jobs.front()?.sealed_bytes_max();
        if bytes > room {
            return None;
        }
        let job = queue.jobs.pop_front()?;
        queue.bytes -= job.records.len();
        queue.process -= usize::from(job.durability == Durability::Process);
        Some(job)
    }

    fn put_back(&self, job: Job) {
        let mut queue = self.queue.borrow_mut();
        queue.blocked = true;
        queue.bytes += job.records.len();
        queue.process += usize::from(job.durability == Durability::Process);
        queue.jobs.push_front(job);
    }

    /// Answers those whose frames are hard now.
    fn answer_hard(&self) {
        let hard = self.journal.borrow().hard();
        loop {
            let effects = {
                let mut sealed = self.sealed.borrow_mut();
                match sealed.front() {
                    Some(frame) if frame.sequence <= hard => sealed.pop_front().map(|frame| frame.effects),
                    _ => None,
                }
            };
            match effects {
                None => return,
                Some(effects) => effects.into_iter().for_each(Effect::happen),
            }
        }
    }
}

fn sealed_bytes(entry: &Entry<Vec<Bytes>>) -> usize {
    entry.as_pieces().sealed_bytes()
}
