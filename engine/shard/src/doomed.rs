//! Files of deleted segments that wait for their end, and how large ones go: in steps.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_rt::{File, Moment, OpenOptions, Signal, fs};

/// Kafka's, behind the whole name of a file.
pub(crate) const DELETED_FILE_SUFFIX: &str = ".deleted";
/// A file system frees so much in a few milliseconds; freeing 1 GiB at once holds up every commit behind it.
const STEP_BYTES: u64 = 32 << 20;
/// Lets commits pass between two steps.
const STEP_PAUSE: Duration = Duration::from_millis(10);

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

/// Removes a file; a large one is shortened step by step before.
pub(crate) async fn delete_in_steps(path: &Path) -> io::Result<()> {
    let mut length = fs::len(path).await?;
    if length > STEP_BYTES {
        let file = File::open(path, OpenOptions { write: true, ..OpenOptions::default() }).await?;
        while length > STEP_BYTES {
            length -= STEP_BYTES;
            file.truncate(length).await?;
            millrace_rt::sleep(STEP_PAUSE).await;
        }
    }
    fs::remove_file(path).await
}

/// Removes a directory of files, each in steps.
pub(crate) async fn delete_directory_in_steps(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir).await?.iter().filter(|entry| !entry.is_dir) {
        delete_in_steps(&dir.join(&entry.name)).await?;
    }
    fs::remove_dir_all(dir).await
}
