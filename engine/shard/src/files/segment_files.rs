//! Segment files of one shard: opening, making, and learning again what lies where in them.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ids::Offset;
use millrace_core::base::measure::Counter;
use millrace_rt::{File, OpenOptions, Signal, fs};

use crate::api::FetchError;
use crate::device::open_files::{FileSlot, OpenFile, OpenFiles};
use crate::directory::file_systems::FileSystems;
use crate::directory::layout::{INDEX_SUFFIX, Layout, segment_file};
use crate::files::indexes::LoadedIndexes;
use crate::files::read_cache::ReadCache;
use crate::partition::segment::FileState;
use crate::partition::state::{Directory, Partition, PartitionRef};

/// Whether the file system takes direct I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskMode {
    Direct,
    /// Through the kernel's page cache, outside the memory budget; logged at start.
    Buffered,
}

/// `EMFILE` and `ENFILE`: the process, or the machine, has as many files open as it may.
const NO_DESCRIPTOR: [Option<i32>; 2] = [Some(24), Some(23)];
/// Until it is tried again.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

/// Opens the files of this shard's partitions; those in use stay open,
/// and of the others as many as are allowed.
pub(crate) struct SegmentFiles {
    layout: Layout,
    mode: DiskMode,
    pub(crate) systems: FileSystems,
    pub(crate) open_files: OpenFiles,
    pub(crate) cache: ReadCache,
    pub(crate) reads: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) indexes: LoadedIndexes,
    /// A partition got its directory, or did not.
    directory_made: Signal,
}

/// What became of the directory and the empty file of the segment at `base`.
fn note_first(partition: &mut Partition, base: Offset, made: &io::Result<()>) {
    partition.directory.state = if made.is_ok() { Directory::There } else { Directory::Missing };
    if let Some(segment) = partition.segment_mut(base)
        && made.is_ok()
    {
        segment.file_is(FileState::Made);
    }
}

impl SegmentFiles {
    pub(crate) fn new(
        layout: Layout,
        mode: DiskMode,
        systems: FileSystems,
        open_files: OpenFiles,
        cache: ReadCache,
    ) -> SegmentFiles {
        let (reads, read_bytes) = (Counter::default(), Counter::default());
        SegmentFiles {
            layout,
            mode,
            systems,
            open_files,
            cache,
            reads,
            read_bytes,
            indexes: LoadedIndexes::default(),
            directory_made: Signal::new(),
        }
    }

    pub(crate) fn mode(&self) -> DiskMode {
        self.mode
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn partition_dir(&self, partition: &PartitionRef) -> PathBuf {
        let partition = partition.borrow();
        self.layout.partition(&partition.topic, partition.key.partition)
    }

    /// The file of a segment that an earlier write or an earlier run made.
    pub(crate) async fn open_for_read(
        &self,
        partition: &PartitionRef,
        base: Offset,
    ) -> Result<Rc<OpenFile>, FetchError> {
        if let Some(file) = open_file(partition, base) {
            return Ok(file);
        }
        let opened = self.open(partition, base, false).await;
        if partition.borrow().is_removed() {
            // What was opened may belong to a new topic of the same name.
            return Err(FetchError::UnknownPartition);
        }
        opened.map_err(|error| {
            if partition.borrow_mut().segment_mut(base).is_none() {
                // Retention was faster.
                return FetchError::OffsetOutOfRange;
            }
            tracing::warn!(%error, %base, "a segment could not be opened");
            FetchError::Storage
        })
    }

    /// The file of a segment, made with its directory where there is none yet.
    pub(crate) async fn open_for_write(
        &self,
        partition: &PartitionRef,
        base: Offset,
    ) -> io::Result<Rc<OpenFile>> {
        if let Some(file) = open_file(partition, base) {
            return Ok(file);
        }
        if lacks_file(partition, base) {
            self.prepare_directory(partition, base).await?;
        }
        // Who made the directory may have made the file.
        self.open(partition, base, lacks_file(partition, base)).await
    }

    /// Makes sure that the partition has a directory; one that is made has an empty file for the segment at
    /// `base`. Two segments may ask at once: who comes second must not take what the first put there for
    /// something older.
    pub(crate) async fn prepare_directory(&self, partition: &PartitionRef, base: Offset) -> io::Result<()> {
        while partition.borrow().directory.state == Directory::Coming {
            self.directory_made.wait().await;
        }
        if partition.borrow().directory.state == Directory::There {
            return Ok(());
        }
        partition.borrow_mut().directory.state = Directory::Coming;
        let made = self.make_first(partition, base).await;
        note_first(&mut partition.borrow_mut(), base, &made);
        self.directory_made.notify_all();
        made
    }

    /// Makes the directories of partitions that have none, with an empty file each;
    /// returns what became of each.
    pub(crate) async fn make_firsts(&self, firsts: &[(PartitionRef, Offset)]) -> Vec<io::Result<()>> {
        let paths = firsts.iter().map(|(partition, base)| self.segment_path(partition, *base)).collect();
        firsts.iter().for_each(|(partition, _)| partition.borrow_mut().directory.state = Directory::Coming);
        let mut results = match fs::create_alone(paths).await {
            Ok(results) => results,
            Err(error) => firsts.iter().map(|_| Err(error.kind().into())).collect(),
        };
        for ((partition, base), result) in firsts.iter().zip(&mut results) {
            if is_in_the_way(result) {
                *result = self.make_first(partition, *base).await;
            }
            note_first(&mut partition.borrow_mut(), *base, result);
        }
        self.directory_made.notify_all();
        results
    }

    /// What is in the way a crash has left of this partition, and the journal has it; or it is of a deleted
    /// topic. If it can be neither, it belongs to another, and stays under another name.
    async fn make_first(&self, partition: &PartitionRef, base: Offset) -> io::Result<()> {
        let path = self.segment_path(partition, base);
        let made = create_alone(&path).await;
        if !is_in_the_way(&made) {
            return made;
        }
        let dir = self.partition_dir(partition);
        match partition.borrow().directory.owns_no_files && holds_bytes(&dir).await? {
            true => self.put_stranger_aside(&dir).await?,
            false => fs::remove_dir_all(&dir).await?,
        }
        create_alone(&path).await
    }

    async fn put_stranger_aside(&self, dir: &Path) -> io::Result<()> {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let target = self.layout.unknown(&name, millrace_rt::wall_now_ms());
        fs::rename(dir, &target).await?;
        tracing::error!(
            path = %dir.display(), put_aside = %target.display(),
            "a partition without a record finds files under its name; they are put aside"
        );
        Ok(())
    }

    pub(crate) fn segment_path(&self, partition: &PartitionRef, base: Offset) -> PathBuf {
        segment_file(&self.partition_dir(partition), base)
    }

    async fn open(&self, partition: &PartitionRef, base: Offset, create: bool) -> io::Result<Rc<OpenFile>> {
        let path = segment_file(&self.partition_dir(partition), base);
        let direct = self.mode == DiskMode::Direct;
        let options = OpenOptions { create, write: true, direct, ..OpenOptions::default() };
        let mut at = partition.borrow().segment_at(base);
        let mut file = self.open_with_patience(&path, options).await?;
        while partition.borrow().segment_at(base) != at {
            // The name may have led to the file that compaction just replaced.
            at = partition.borrow().segment_at(base);
            file = self.open_with_patience(&path, options).await?;
        }
        if create {
            file.truncate(0).await?;
        }
        let mut partition = partition.borrow_mut();
        let Some(segment) = partition.segment_mut(base) else {
            // Deleted meanwhile: its last user closes it.
            return Ok(self.open_files.put(&mut FileSlot::default(), file));
        };
        segment.file_is(FileState::Made);
        Ok(self.open_files.put(&mut segment.file.slot, file))
    }

    /// Opens a file; where the process has no descriptor left, once one is free.
    async fn open_with_patience(&self, path: &Path, options: OpenOptions) -> io::Result<File> {
        loop {
            match File::open(path, options).await {
                Err(error) if NO_DESCRIPTOR.contains(&error.raw_os_error()) => {
                    self.open_files.waits.increment();
                    if !self.open_files.evict_one() {
                        tracing::warn!(%error, "a segment waits for a descriptor; raise LimitNOFILE");
                        millrace_rt::sleep(DESCRIPTOR_PAUSE).await;
                    }
                }
                opened => return opened,
            }
        }
    }
}

fn lacks_file(partition: &PartitionRef, base: Offset) -> bool {
    partition.borrow_mut().segment_mut(base).is_some_and(|segment| !segment.has_file())
}

fn is_in_the_way(made: &io::Result<()>) -> bool {
    made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::DirectoryNotEmpty)
}

/// Whether a directory holds more than empty files and what is made anew of others.
async fn holds_bytes(dir: &Path) -> io::Result<bool> {
    let entries = fs::read_dir(dir).await?;
    for entry in entries.iter().filter(|entry| !entry.name.ends_with(INDEX_SUFFIX)) {
        if entry.is_dir || fs::len(&dir.join(&entry.name)).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn create_alone(path: &Path) -> io::Result<()> {
    fs::create_alone(vec![path.to_path_buf()]).await?.into_iter().collect()
}

fn open_file(partition: &PartitionRef, base: Offset) -> Option<Rc<OpenFile>> {
    partition.borrow_mut().segment_mut(base)?.file.slot.get()
}
