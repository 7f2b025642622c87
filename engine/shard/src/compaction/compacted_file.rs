//! Reading segments batch by batch for compaction, and writing the file that takes their place: aligned,
//! through memory of a fixed size and the disk class behind commits.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use millrace_core::base::ids::Offset;
use millrace_core::log::batch::{Batch, BatchHeader, RECORD_BATCH_OVERHEAD};
use millrace_core::log::compaction::{CompactedOutput, Outcome};
use millrace_core::log::{BatchFault, OffsetIndex};
use millrace_rt::{Block, File, OpenOptions, Sync, fs};

use crate::api::FetchError;
use crate::compaction::state::{Compaction, IoPace};
use crate::device::disk_classes::DiskClasses;
use crate::device::open_files::OpenFile;
use crate::device::space::Space;
use crate::directory::layout::compacted_file;
use crate::files::segment_files::DiskMode;
use crate::files::segment_files::SegmentFiles;
use crate::partition::state::PartitionRef;
use crate::partition::tail::block_ceil;

/// Read and written at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Of batches that are taken in before other tasks run: some hundred microseconds where they are compressed.
const BYTES_A_TURN: usize = 64 * 1024;

/// What reading and writing for compaction needs of a shard.
pub(crate) struct CompactionIo {
    pub(crate) compaction: Rc<Compaction>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) classes: Rc<DiskClasses>,
    pub(crate) space: Rc<Space>,
}

/// Why a compaction ended before it was done. The log is what it was.
#[derive(Debug)]
pub(crate) enum GivenUp {
    /// The shard stops, or the topic or a segment went, or the directory is another's.
    Overtaken,
    /// The log holds what is no batch.
    Damaged(String),
    Disk(io::Error),
}

impl GivenUp {
    pub(crate) fn damaged(fault: BatchFault) -> GivenUp {
        GivenUp::Damaged(fault.to_string())
    }
}

impl From<io::Error> for GivenUp {
    fn from(error: io::Error) -> GivenUp {
        GivenUp::Disk(error)
    }
}

/// One segment, from its first batch to its last. Holds its file open,
/// and a batch and what was read with it in memory.
pub(crate) struct SegmentReader<'a> {
    io: &'a CompactionIo,
    partition: &'a PartitionRef,
    pace: &'a IoPace,
    file: Rc<OpenFile>,
    length: u64,
    /// What of the file was read.
    read: u64,
    block: Option<Block>,
    bytes: Vec<u8>,
    /// Where the batch begins in `bytes`, and how long it is.
    begin: usize,
    batch_bytes: usize,
    due: Offset,
    /// Of batches since other tasks had their turn.
    unrested: usize,
}

impl<'a> SegmentReader<'a> {
    pub(crate) async fn open(
        io: &'a CompactionIo,
        partition: &'a PartitionRef,
        base: Offset,
        pace: &'a IoPace,
    ) -> Result<SegmentReader<'a>, GivenUp> {
        let file = match io.files.open_for_read(partition, base).await {
            Ok(file) => file,
            Err(FetchError::Storage) => return Err(io::Error::other("a segment could not be opened").into()),
            Err(_) => return Err(GivenUp::Overtaken),
        };
        let length = partition.borrow_mut().segment_mut(base).map(|segment| segment.length());
        let length = length.ok_or(GivenUp::Overtaken)?;
        Ok(SegmentReader {
            io,
            partition,
            pace,
            file,
            length,
            read: 0,
            block: None,
            bytes: Vec::new(),
            begin: 0,
            batch_bytes: 0,
            due: base,
            unrested: 0,
        })
    }

    /// Goes to the next batch, whose checksum fits; false behind the last.
    pub(crate) async fn advance(&mut self) -> Result<bool, GivenUp> {
        self.begin += self.batch_bytes;
        self.unrested += self.batch_bytes;
        self.batch_bytes = 0;
        if self.unrested >= BYTES_A_TURN {
            self.unrested = 0;
            millrace_rt::yield_now().await;
        }
        if self.io.compaction.shutdown.is_asked() || self.partition.borrow().is_removed() {
            return Err(GivenUp::Overtaken);
        }
        let left = self.length - (self.read - (self.bytes.len() - self.begin) as u64);
        if left == 0 {
            return Ok(false);
        }
        self.fill(RECORD_BATCH_OVERHEAD).await?;
        let header = self.header()?;
        if header.size() as u64 > left || header.base_offset != self.due || header.last_offset_delta < 0 {
            return Err(GivenUp::Damaged(format!("what is there is not the batch of offset {}", self.due)));
        }
        self.fill(header.size()).await?;
        self.batch_bytes = header.size();
        self.batch()?.verify_checksum().map_err(GivenUp::damaged)?;
        self.due = header.next_offset();
        Ok(true)
    }

    /// Where `advance` has gone to.
    pub(crate) fn batch(&self) -> Result<Batch<'_>, GivenUp> {
        let bytes = self.bytes.get(self.begin..self.begin + self.batch_bytes).unwrap_or_default();
        Batch::parse(bytes).map_err(GivenUp::damaged)
    }

    fn header(&self) -> Result<BatchHeader, GivenUp> {
        BatchHeader::parse(self.bytes.get(self.begin..).unwrap_or_default()).map_err(GivenUp::damaged)
    }

    /// Reads until that number of bytes of the batch is in memory, or the segment ends.
    async fn fill(&mut self, wanted: usize) -> Result<(), GivenUp> {
        if self.bytes.len() - self.begin >= wanted {
            return Ok(());
        }
        self.bytes.drain(..self.begin);
        self.begin = 0;
        while self.bytes.len() < wanted && self.read < self.length {
            let bytes = (self.length - self.read).min(CHUNK_BYTES as u64);
            let block = self.block.take().unwrap_or_else(|| Block::with_capacity(CHUNK_BYTES));
            let turn = self.io.classes.turn(bytes).await;
            let (read, block) = self.file.read_at(self.read, block, block_ceil(bytes) as usize).await;
            drop(turn);
            let read = read?.min(bytes as usize);
            if (read as u64) < bytes {
                return Err(GivenUp::Damaged("the file is shorter than its segment".to_owned()));
            }
            self.bytes.extend_from_slice(block.as_slice().get(..read).unwrap_or_default());
            self.block = Some(block);
            self.read += bytes;
            self.io.compaction.counts.bytes.read.add(bytes);
            self.pace.pay(bytes, &self.io.compaction).await;
        }
        Ok(())
    }
}

/// The file of what segments become, under a name of its own.
pub(crate) struct CompactedFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) index: OffsetIndex,
    pub(crate) output: CompactedOutput,
    /// Behind what was written.
    pending: Vec<u8>,
    written: u64,
}

impl CompactedFile {
    pub(crate) async fn create(
        io: &CompactionIo,
        partition: &PartitionRef,
        base: Offset,
    ) -> Result<CompactedFile, GivenUp> {
        let number = io.compaction.next_number();
        let path = compacted_file(&io.files.partition_dir(partition), base, number);
        let direct = io.files.mode() == DiskMode::Direct;
        let options = OpenOptions { create: true, write: true, direct, ..OpenOptions::default() };
        let file = File::open(&path, options).await?;
        let (index, output) = (OffsetIndex::new(base), CompactedOutput::new(base));
        let created = CompactedFile { file, path, number, index, output, pending: Vec::new(), written: 0 };
        if partition.borrow().is_removed() {
            // The directory may be another topic's already.
            created.remove().await;
            return Err(GivenUp::Overtaken);
        }
        Ok(created)
    }

    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// The next batch, and what becomes of it.
    pub(crate) fn take(&mut self, batch: &Batch<'_>, outcome: &Outcome) -> Result<(), GivenUp> {
        if batch.header.base_offset != self.output.next_offset() {
            return Err(GivenUp::Damaged(format!("offset {} is missing", self.output.next_offset())));
        }
        let (pending, index) = (&mut self.pending, &mut self.index);
        self.output.take(batch, outcome, |piece| {
            pending.extend_from_slice(piece.bytes);
            index.note(&piece.header);
        });
        Ok(())
    }

    pub(crate) async fn write_what_is_due(
        &mut self,
        io: &CompactionIo,
        pace: &IoPace,
    ) -> Result<(), GivenUp> {
        while self.pending.len() >= CHUNK_BYTES {
            self.write(io, pace, CHUNK_BYTES).await?;
        }
        Ok(())
    }

    /// Writes the rest; afterwards the file has its exact length, and is hard.
    pub(crate) async fn finish(&mut self, io: &CompactionIo, pace: &IoPace) -> Result<(), GivenUp> {
        let (pending, index) = (&mut self.pending, &mut self.index);
        self.output.finish(|piece| {
            pending.extend_from_slice(piece.bytes);
            index.note(&piece.header);
        });
        while !self.pending.is_empty() {
            self.write(io, pace, self.pending.len().min(CHUNK_BYTES)).await?;
        }
        self.file.truncate(self.written).await?;
        self.file.sync_data().await?;
        Ok(())
    }

    /// Writes the first bytes that are pending; the last of all are padded to whole blocks.
    async fn write(&mut self, io: &CompactionIo, pace: &IoPace, bytes: usize) -> Result<(), GivenUp> {
        let whole = block_ceil(bytes as u64) as usize;
        if !io.space.admit(whole) {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        let mut block = Block::with_capacity(whole);
        let space = block.as_mut_slice();
        for (to, from) in space.iter_mut().zip(self.pending.drain(..bytes).chain(std::iter::repeat(0))) {
            *to = from;
        }
        let turn = io.classes.turn(whole as u64).await;
        self.file.write_all_at(self.written, block.freeze().slice(..whole), Sync::None).await?;
        drop(turn);
        self.written += bytes as u64;
        io.compaction.counts.bytes.written.add(whole as u64);
        pace.pay(whole as u64, &io.compaction).await;
        Ok(())
    }

    /// Nobody needs it.
    pub(crate) async fn remove(self) {
        drop(self.file);
        match fs::remove_file(&self.path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "what a compaction left stays until the next unclean start");
            }
            _ => {}
        }
    }
}
