//! The memory of a shard's tails: one bound for all partitions, and who gives some back as it is neared.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use millrace_core::base::ids::Offset;

use crate::partition::state::{Partition, PartitionRef};
use crate::partition::table::Table;
use crate::partition::tail::{BLOCK_BYTES, Growth};

/// Lists are searched for what is gone when they have doubled, not before they are this long.
const SEARCH_LENGTH_MIN: usize = 1024;

/// What tails hold, and in which order they give it back: first what is in files too, the longest there
/// first; then what was appended longest ago, once it is written; last the partial blocks that are padded in
/// their files, which the next append has to read back. Above the bound appends wait.
pub(crate) struct TailMemory {
    bytes: Cell<usize>,
    bytes_max: usize,
    /// Chunks that are in their files, in the order in which they came there;
    /// those that are gone may be among them.
    clean: RefCell<Line<(Weak<RefCell<Partition>>, Offset)>>,
    /// Partitions with bytes that are in no file, each once.
    dirty: RefCell<Line<PartitionRef>>,
    /// Partitions of which only the padded last block is in memory, each once.
    parked: RefCell<Line<PartitionRef>>,
    /// An append waits for room.
    waited_for: Cell<bool>,
    evicted_bytes: Cell<u64>,
}

/// A queue whose items may vanish without a word.
struct Line<T> {
    queue: VecDeque<T>,
    search_at: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Line<T> {
        Line { queue: VecDeque::new(), search_at: SEARCH_LENGTH_MIN }
    }
}

impl<T> Line<T> {
    fn push(&mut self, item: T, is_there: impl Fn(&T) -> bool) {
        self.queue.push_back(item);
        if self.queue.len() >= self.search_at {
            self.queue.retain(is_there);
            self.search_at = (2 * self.queue.len()).max(SEARCH_LENGTH_MIN);
        }
    }
}

impl TailMemory {
    pub(crate) fn new(bytes_max: usize) -> TailMemory {
        TailMemory {
            bytes: Cell::new(0),
            bytes_max,
            clean: RefCell::default(),
            dirty: RefCell::default(),
            parked: RefCell::default(),
            waited_for: Cell::new(false),
            evicted_bytes: Cell::new(0),
        }
    }

    /// What always holds between two turns of tasks: tails take what is counted for them. Those of removed
    /// partitions have given theirs back.
    pub(crate) fn check_whole(&self, table: &Table) {
        let bytes: usize = table
            .all()
            .iter()
            .map(|partition| {
                partition.borrow().segments.iter().map(|it| it.tail.memory_bytes()).sum::<usize>()
            })
            .sum();
        assert_eq!(self.bytes.get(), bytes, "tails take what is counted for them");
    }

    /// Memory of all tails, written and not.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Above it appends wait.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Above it written tails are let go of, and others are written.
    fn bytes_goal(&self) -> usize {
        self.bytes_max / 4 * 3
    }

    /// What was let go of so far.
    pub(crate) fn evicted_bytes(&self) -> u64 {
        self.evicted_bytes.get()
    }

    /// Tails took `bytes` more.
    pub(crate) fn grew(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    pub(crate) fn shrank(&self, bytes: usize) {
        assert!(bytes <= self.bytes.get(), "tails give back what they took");
        self.bytes.set(self.bytes.get() - bytes);
    }

    /// How chunks are to be sized now.
    pub(crate) fn growth(&self) -> Growth {
        // All that have something to write fill half of the memory at most with the chunks they are at.
        let partitions = self.dirty.borrow().queue.len().max(1);
        Growth { chunk_bytes_max: self.bytes_max / 2 / partitions }
    }

    /// More must be written for memory's sake.
    pub(crate) fn presses(&self) -> bool {
        self.bytes.get() > self.bytes_goal()
    }

    /// Whether another append may be applied; if not, `is_waited_for` and, once there is room,
    /// `can_go_on` say so.
    pub(crate) fn has_room(&self) -> bool {
        if self.presses() {
            self.evict();
        }
        let has_room = self.bytes.get() < self.bytes_max;
        self.waited_for.set(!has_room);
        has_room
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.waited_for.get()
    }

    /// Whether appends found no room, and there is some now. Asked once.
    pub(crate) fn can_go_on(&self) -> bool {
        self.bytes.get() < self.bytes_max && self.waited_for.take()
    }

    /// The partition has bytes that are in no file.
    pub(crate) fn note_dirty(&self, shared: &PartitionRef, partition: &mut Partition) {
        if !std::mem::replace(&mut partition.lines.dirty, true) {
            // The one at hand is borrowed.
            self.dirty
                .borrow_mut()
                .push(Rc::clone(shared), |it| Rc::ptr_eq(it, shared) || !it.borrow().is_removed());
        }
    }

    /// The partition whose oldest bytes wait longest to be written.
    pub(crate) fn next_dirty(&self) -> Option<PartitionRef> {
        loop {
            let shared = self.dirty.borrow_mut().queue.pop_front()?;
            let mut partition = shared.borrow_mut();
            partition.lines.dirty = false;
            if !partition.is_removed()
                && partition.segments.iter().any(|segment| segment.in_file() < segment.length())
            {
                drop(partition);
                return Some(shared);
            }
        }
    }

    /// Bytes of a segment from `before` on went to its file.
    pub(crate) fn note_written(&self, shared: &PartitionRef, base: Offset, before: u64) {
        let (mut entries, mut parks) = (0, false);
        {
            let mut partition = shared.borrow_mut();
            if partition.is_removed() {
                return;
            }
            let lines = partition.lines;
            let Some(segment) = partition.segment_mut(base) else { return };
            entries += segment.tail.chunks_within(before, segment.file.written);
            if !segment.shrink_queued && segment.tail.can_shrink(segment.file.written) {
                segment.shrink_queued = true;
                entries += 1;
            }
            if segment.is_parked() && !lines.parked {
                partition.lines.parked = true;
                parks = true;
            }
        }
        for _ in 0..entries {
            let entry = (Rc::downgrade(shared), base);
            self.clean.borrow_mut().push(entry, |(partition, base)| {
                partition.upgrade().is_some_and(|it| it.borrow_mut().segment_mut(*base).is_some())
            });
        }
        if parks {
            self.parked.borrow_mut().push(Rc::clone(shared), |it| !it.borrow().is_removed());
        }
    }

    /// Lets go of tails that are in their files while all take more than they should.
    pub(crate) fn evict(&self) {
        while self.presses() && self.evict_clean() {}
        // They cost a read each: only where they would leave no room for what is appended.
        while self.presses() && self.parked_bytes() > self.bytes_max / 2 && self.evict_parked() {}
    }

    /// False where no chunk is left to be let go of.
    fn evict_clean(&self) -> bool {
        let Some((partition, base)) = self.clean.borrow_mut().queue.pop_front() else { return false };
        // A removed partition has given its memory back.
        let Some(partition) = partition.upgrade() else { return true };
        let mut partition = partition.borrow_mut();
        if let Some(segment) = partition.segment_mut(base) {
            segment.shrink_queued = false;
            self.freed(segment.tail.release_first(segment.file.written));
        }
        true
    }

    fn parked_bytes(&self) -> usize {
        self.parked.borrow().queue.len() * BLOCK_BYTES as usize
    }

    fn evict_parked(&self) -> bool {
        let Some(partition) = self.parked.borrow_mut().queue.pop_front() else { return false };
        let mut partition = partition.borrow_mut();
        partition.lines.parked = false;
        let segment = partition.active_mut();
        if segment.is_parked() && !segment.file.writing {
            self.freed(segment.tail.release_all());
        }
        true
    }

    fn freed(&self, bytes: usize) {
        self.shrank(bytes);
        self.evicted_bytes.set(self.evicted_bytes.get() + bytes as u64);
    }
}
