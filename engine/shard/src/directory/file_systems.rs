//! The file systems that hold the data directory, and what waits for their next sync.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use millrace_rt::fs;

use crate::api::OpenError;
use crate::directory::layout::Layout;

/// The file systems of segments: that of the data directory, and that of `topics/` where it is another one.
#[derive(Clone)]
pub(crate) struct FileSystems(Arc<[PathBuf]>);

impl FileSystems {
    /// Looks where the directories are. One of a partition that is on a file system of its own is refused:
    /// no sync would reach it.
    pub(crate) async fn find(layout: &Layout) -> Result<FileSystems, OpenError> {
        let mut roots = vec![layout.data().to_path_buf()];
        let topics = layout.topics();
        let failed = |error| OpenError::io("look at", &topics, &error);
        let data = fs::identity(layout.data()).await.map_err(failed)?;
        if fs::identity(&topics).await.map_err(failed)?.device != data.device {
            roots.push(topics.clone());
        }
        match fs::elsewhere(&topics).await.map_err(failed)?.first() {
            Some(entry) => Err(OpenError::Elsewhere(topics.join(&entry.name))),
            None => Ok(FileSystems(roots.into())),
        }
    }

    /// Hardens all that was written to them.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        for root in self.0.iter() {
            fs::sync_fs(root).await?;
        }
        Ok(())
    }

    /// One directory of each.
    pub(crate) fn roots(&self) -> &[PathBuf] {
        &self.0
    }
}

/// Changes of directories and lengths of files that only a sync of the file system hardens: what a start cut
/// or removed, and notes of where logs begin.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    made: Cell<u64>,
    /// So many of those made are hard.
    hard: Cell<u64>,
}

/// Those that a sync covers which begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered(u64);

impl Unsynced {
    pub(crate) fn note(&self) {
        self.made.set(self.made.get() + 1);
    }

    /// What waits for a sync, also where one is under way: that may belong to another, who relies on
    /// its end and not on its beginning.
    pub(crate) fn due(&self) -> Option<Covered> {
        (self.made.get() > self.hard.get()).then(|| Covered(self.made.get()))
    }

    pub(crate) fn hardened(&self, covered: Covered) {
        self.hard.set(self.hard.get().max(covered.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_hard_behind_the_sync_that_covered_it() {
        let unsynced = Unsynced::default();
        assert_eq!(unsynced.due(), None);
        unsynced.note();
        let first = unsynced.due().unwrap();
        // A compaction's sync is under way; a cleaning comes.
        assert_eq!(unsynced.due(), Some(first));
        unsynced.note();
        let second = unsynced.due().unwrap();
        unsynced.hardened(first);
        assert_eq!(unsynced.due(), Some(second), "it came when the sync was under way");
        unsynced.hardened(second);
        unsynced.hardened(first);
        assert_eq!(unsynced.due(), None);
    }
}
