//! Segment files of one shard that are open, up to a number:
//! beyond it those are closed that nobody used of late (CLOCK).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Deref;
use std::rc::{Rc, Weak};

use millrace_core::base::measure::Counter;
use millrace_rt::File;

/// The file of one segment, open or not; what was closed is opened again by who needs it next.
#[derive(Default)]
pub(crate) struct FileSlot(Option<Rc<Slot>>);

#[derive(Default)]
struct Slot {
    file: RefCell<Option<Rc<OpenFile>>>,
    /// Since the hand of the clock last passed.
    used: Cell<bool>,
}

/// An open segment file; who holds it may read and write it even when the slot has let go of it.
pub(crate) struct OpenFile {
    file: File,
    open: Rc<Counter>,
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.open.subtract(1);
    }
}

impl FileSlot {
    /// The file, if it is open.
    pub(crate) fn get(&self) -> Option<Rc<OpenFile>> {
        let slot = self.0.as_ref()?;
        slot.used.set(true);
        slot.file.borrow().clone()
    }
}

/// Lives on one shard. More than the bound are open only while all of them are in use.
pub(crate) struct OpenFiles {
    files_max: usize,
    /// Every slot that holds a file, and some that no longer do; the clock's hand before the first.
    clock: RefCell<VecDeque<Weak<Slot>>>,
    open: Rc<Counter>,
    opened: Counter,
    evicted: Counter,
    /// Times that the process had no descriptor left for a file.
    pub(crate) waits: Counter,
}

/// The open files of one shard at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenFileStats {
    pub open: u64,
    pub open_max: u64,
    pub opened: u64,
    pub evicted: u64,
    pub waits: u64,
}

impl OpenFiles {
    pub(crate) fn new(files_max: usize) -> OpenFiles {
        OpenFiles {
            files_max,
            clock: RefCell::default(),
            open: Rc::default(),
            opened: Counter::default(),
            evicted: Counter::default(),
            waits: Counter::default(),
        }
    }

    /// Puts a file that was just opened into its slot, unless another task was faster;
    /// returns the one that is there.
    pub(crate) fn put(&self, slot: &mut FileSlot, file: File) -> Rc<OpenFile> {
        if let Some(there) = slot.get() {
            return there;
        }
        self.open.increment();
        self.opened.increment();
        let file = Rc::new(OpenFile { file, open: Rc::clone(&self.open) });
        let slot = slot.0.get_or_insert_default();
        slot.used.set(true);
        slot.file.replace(Some(Rc::clone(&file)));
        self.clock.borrow_mut().push_back(Rc::downgrade(slot));
        while self.open.get() as usize > self.files_max && self.evict_one() {}
        self.forget_closed();
        file
    }

    /// Closes the file that nobody used for longest, about; false where all are in use.
    pub(crate) fn evict_one(&self) -> bool {
        let mut clock = self.clock.borrow_mut();
        // The first round may do no more than clear the marks.
        for _ in 0..2 * clock.len() {
            let Some(slot) = clock.pop_front().and_then(|slot| slot.upgrade()) else { continue };
            let Some(holders) = slot.file.borrow().as_ref().map(Rc::strong_count) else { continue };
            if slot.used.take() || holders > 1 {
                clock.push_back(Rc::downgrade(&slot));
            } else {
                slot.file.replace(None);
                self.evicted.increment();
                return true;
            }
        }
        false
    }

    pub(crate) fn stats(&self) -> OpenFileStats {
        OpenFileStats {
            open: self.open.get(),
            open_max: self.files_max as u64,
            opened: self.opened.get(),
            evicted: self.evicted.get(),
            waits: self.waits.get(),
        }
    }

    /// Segments that were deleted leave their places in the clock; once these are the most they go.
    fn forget_closed(&self) {
        let mut clock = self.clock.borrow_mut();
        if clock.len() as u64 > 2 * self.open.get() {
            clock.retain(|slot| slot.upgrade().is_some_and(|slot| slot.file.borrow().is_some()));
        }
    }
}
