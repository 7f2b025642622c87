//! Deletes files of deleted segments: renamed at once, gone when their delay has passed, large ones in steps.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use millrace_rt::{File, OpenOptions, Signal, fs};

use crate::counters::Counters;
use crate::device::disk_classes::DiskClasses;
use crate::device::disk_classes::DiskTurn;
use crate::device::fatal::Fatal;
use crate::device::space::Space;
use crate::files::doomed::DELETED_FILE_SUFFIX;
use crate::files::doomed::Doomed;
use crate::files::segment_files::SegmentFiles;

/// Longer delays would not fit the clock.
const DELAY_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// What goes at once, at least. A device that is told what is free takes 0.35 ms for each mebibyte and
/// answers nothing meanwhile: commits beside files of 16 MiB that went at once took up to 7 ms.
const STEP_BYTES: u64 = 256 * 1024;
/// What removing a file counts for among the device's requests: as a step.
const UNLINK_BYTES: u64 = STEP_BYTES;
/// At most: where a step has to wait for commits that bring more, it catches up.
const STEP_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Between two steps, unless commits bring more meanwhile.
const STEP_PAUSE: Duration = Duration::from_millis(2);
/// Behind this a file is deleted again whose deletion failed.
/// After a clean stop nobody looks for it any more, so the stop tries, too.
const RETRY_PAUSE: Duration = Duration::from_secs(60);
/// How often the stop tries to delete a file.
const TRIES_AT_STOP: usize = 2;
/// Steps free twice what commits bring, so that deleting keeps up with them.
const STEP_PER_BYTE: u64 = 2;

/// Deletes files of one shard. Driven by one task.
pub(crate) struct FileDeletion {
    pub(crate) doomed: Rc<Doomed>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) classes: Rc<DiskClasses>,
    /// A commit is hard.
    pub(crate) hardened: Signal,
    pub(crate) space: Rc<Space>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) fatal: Fatal,
}

impl FileDeletion {
    /// Renames a file, so that nobody takes it for part of a log, and deletes it after `delay`.
    pub(crate) async fn doom(&self, path: PathBuf, delay: Duration) {
        let mut aside = path.clone().into_os_string();
        aside.push(DELETED_FILE_SUFFIX);
        let aside = PathBuf::from(aside);
        let path = match fs::rename(&path, &aside).await {
            Ok(()) => aside,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a deleted segment keeps its name until it goes");
                path
            }
        };
        self.doomed.add(millrace_rt::now() + delay.min(DELAY_MAX), path);
    }

    /// Deletes after `delay` a file that has the name for that already.
    pub(crate) fn doom_aside(&self, path: PathBuf, delay: Duration) {
        self.doomed.add(millrace_rt::now() + delay.min(DELAY_MAX), path);
    }

    /// Deletes files when they are due. Begins when the generation that deleted them is the valid one,
    /// and runs until the shard closes.
    pub(crate) async fn run(self: Rc<Self>) {
        let doomed = &self.doomed;
        for path in doomed.held.take() {
            doomed.add(millrace_rt::now(), path);
        }
        while !doomed.closing.get() {
            match doomed.first_due() {
                None => doomed.came.wait().await,
                Some(due) if due > millrace_rt::now() => {
                    let left = due - millrace_rt::now();
                    millrace_rt::timeout(left, doomed.came.wait()).await;
                }
                Some(_) => {
                    let Some(path) = doomed.take_first() else { continue };
                    doomed.deleting.set(true);
                    if let Err(error) = self.delete(&path, Pace::Steps).await {
                        tracing::warn!(path = %path.display(), %error, "a deleted segment's file is tried again");
                        doomed.add(millrace_rt::now() + RETRY_PAUSE, path);
                    }
                    doomed.deleting.set(false);
                    doomed.done.notify_all();
                }
            }
        }
    }

    /// Deletes all that waits, whatever its delay: nobody reads any more.
    /// Afterwards a power loss brings nothing back.
    pub(crate) async fn finish(&self) {
        self.doomed.closing.set(true);
        self.doomed.came.notify_all();
        while self.doomed.deleting.get() {
            self.doomed.done.wait().await;
        }
        while let Some(path) = self.doomed.take_first() {
            for tries in 1..=TRIES_AT_STOP {
                match self.delete(&path, Pace::AtOnce).await {
                    Ok(()) => break,
                    Err(error) if tries == TRIES_AT_STOP => {
                        let path = path.display();
                        tracing::warn!(%path, %error, "a deleted segment's file is still there");
                    }
                    Err(_) => {}
                }
            }
        }
        if self.doomed.unlinked.get()
            && let Err(error) = self.files.systems.sync().await
        {
            self.fatal.end(format!("a sync of the data directory failed: {error}")).await;
        }
    }

    async fn delete(&self, path: &Path, pace: Pace) -> io::Result<()> {
        let deleted = match pace {
            Pace::Steps => self.delete_in_steps(path).await,
            Pace::AtOnce => fs::remove_file(path).await,
        };
        match deleted {
            Ok(()) => {
                self.doomed.unlinked.set(true);
                Ok(())
            }
            // Its topic was deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a file; a large one is shortened step by step before, until the shard closes.
    async fn delete_in_steps(&self, path: &Path) -> io::Result<()> {
        let mut length = fs::len(path).await?;
        if length > STEP_BYTES {
            let file = File::open(path, OpenOptions { write: true, ..OpenOptions::default() }).await?;
            let mut seen = self.brought_bytes();
            while length > STEP_BYTES && !self.doomed.closing.get() {
                let _turn = self.deletion_turn(seen).await;
                let brought = self.brought_bytes() - seen;
                seen += brought;
                length = length.saturating_sub(step_bytes(brought));
                file.truncate(length).await?;
            }
        }
        let _turn = self.classes.turn(UNLINK_BYTES).await;
        fs::remove_file(path).await
    }

    /// Removes a directory of files, each in steps.
    pub(crate) async fn delete_directory(&self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir).await?.iter().filter(|entry| !entry.is_dir) {
            self.delete_in_steps(&dir.join(&entry.name)).await?;
        }
        fs::remove_dir_all(dir).await
    }

    /// What commits and extents have brought so far.
    fn brought_bytes(&self) -> u64 {
        self.counters.journal.journal_bytes.get() + self.counters.segments.extent_bytes.get()
    }

    /// Completes when the next step is due: at the pace of what commits and extents brought since it was
    /// `seen`, and not too slow where there is little. Where the disk is short everybody waits for the space.
    async fn deletion_turn(&self, seen: u64) -> DiskTurn<'_> {
        let due = millrace_rt::now() + STEP_PAUSE;
        let enough = seen + STEP_BYTES / STEP_PER_BYTE;
        while self.brought_bytes() < enough && !self.space.is_short() {
            let now = millrace_rt::now();
            if now >= due {
                break;
            }
            millrace_rt::timeout(due - now, self.hardened.wait()).await;
        }
        self.classes.turn(STEP_BYTES).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Steps,
    AtOnce,
}

/// How much goes with the next step when commits brought so much since the one before.
fn step_bytes(brought: u64) -> u64 {
    brought.saturating_mul(STEP_PER_BYTE).clamp(STEP_BYTES, STEP_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleting_keeps_up_with_commits() {
        let (least, most) = (STEP_BYTES, STEP_BYTES_MAX);
        for (brought, step) in [(0, least), (least / 2, least), (least, 2 * least), (most, most)] {
            assert_eq!(step_bytes(brought), step, "behind {brought} bytes");
        }
    }
}
