//! Files of deleted segments that wait for their end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use millrace_rt::{Moment, Signal};

/// Kafka's, behind the whole name of a file.
pub(crate) const DELETED_FILE_SUFFIX: &str = ".deleted";

/// Files of one shard that wait for their end. Driven by one task.
#[derive(Default)]
pub(crate) struct Doomed {
    files: RefCell<BTreeMap<(Moment, u64), PathBuf>>,
    /// Found while the shard opens; a crash before it has opened must still find them.
    pub(crate) held: RefCell<Vec<PathBuf>>,
    /// Tells files of the same moment apart.
    number: Cell<u64>,
    pub(crate) came: Signal,
    /// Names were removed that a power loss could bring back until the directories are synced.
    pub(crate) unlinked: Cell<bool>,
    pub(crate) closing: Cell<bool>,
    pub(crate) deleting: Cell<bool>,
    pub(crate) done: Signal,
}

impl Doomed {
    /// A file that goes once the shard has opened.
    pub(crate) fn hold(&self, path: PathBuf) {
        self.held.borrow_mut().push(path);
    }

    pub(crate) fn add(&self, due: Moment, path: PathBuf) {
        let number = self.number.replace(self.number.get() + 1);
        self.files.borrow_mut().insert((due, number), path);
        self.came.notify_all();
    }

    /// Files whose end is yet to come.
    pub(crate) fn waiting(&self) -> usize {
        self.files.borrow().len()
    }

    pub(crate) fn first_due(&self) -> Option<Moment> {
        self.files.borrow().first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn take_first(&self) -> Option<PathBuf> {
        self.files.borrow_mut().pop_first().map(|(_, path)| path)
    }
}
