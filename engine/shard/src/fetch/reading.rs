//! Reads the partitions of one fetch under one budget: what memory holds at once,
//! what the device holds several at a time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::log::batch::RECORD_BATCH_OVERHEAD;
use millrace_rt::{Either, Moment};

use crate::api::{FetchError, FetchPartition, Fetched, FetchedPartition};
use crate::counters::Counters;
use crate::fetch::granted::fetched_bytes;
use crate::files::batches::{Read, ReadLimit, read_batches, read_reach};
use crate::files::read::{Reach, at_hand, visible_bytes};
use crate::files::reads_beside::{READS_MAX, ReadBeside, ReadsBeside};
use crate::files::segment_files::SegmentFiles;
use crate::mesh::requests::{FirstBatch, ReadRequest};
use crate::partition::state::{Partition, PartitionRef};
use crate::partition::table::Table;

/// How long a fetch that has what its reader waits for goes on to gather from the device. The partitions that
/// are left come first in the next.
const GATHERING: Duration = Duration::from_millis(20);

/// No batch is shorter: where less room is left, nobody need be asked.
const BATCH_BYTES_MIN: usize = RECORD_BATCH_OVERHEAD;

/// So many batches may find no room before memory is looked at only where all that it holds of a partition
/// fits: of thousands of partitions each look costs as much as a read.
const FOUND_NO_ROOM_MAX: usize = 4;

/// Partitions of one fetch that are looked at between two turns of the other tasks:
/// some 2 ms where memory holds them.
const PARTITIONS_A_TURN: usize = 1024;

/// What lets a partition be read from the device.
enum DeviceTurn<'a> {
    /// Nothing of the same fetch was under way.
    Alone,
    Beside(#[allow(dead_code, reason = "given back with it")] ReadBeside<'a>),
}

/// A partition that is read from the device.
struct UnderWay<'a> {
    place: usize,
    /// Its part of the budget until it is known what it brings.
    grant: Grant,
    turn: DeviceTurn<'a>,
    read: Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + 'a>>,
}

/// What one partition may bring.
#[derive(Clone, Copy)]
struct Grant {
    max_bytes: usize,
    first: FirstBatch,
}

impl Grant {
    fn limit(self) -> ReadLimit {
        ReadLimit { max_bytes: self.max_bytes as u64, first_whole: self.first == FirstBatch::Always }
    }

    /// What a read has brought, with what is said of the partition.
    fn filled(self, read: Read, ends: Fetched) -> Fetched {
        let bytes: usize = read.pieces.iter().map(Bytes::len).sum();
        let unfilled_bytes = if read.is_cut { self.max_bytes.saturating_sub(bytes) } else { 0 };
        Fetched { records: read.pieces, held_bytes: read.held, unfilled_bytes, ..ends }
    }
}

/// One fetch as it reads. Dropping it leaves nothing behind but reads that the kernel finishes.
struct Reading<'a> {
    reader: &'a PartitionReader,
    request: &'a ReadRequest,
    /// A result for each partition so far; those that are read from the device bring their records later.
    fetched: Vec<FetchedPartition>,
    bytes: usize,
    /// Of the budget.
    left: usize,
    first: FirstBatch,
    /// Batches that found too little room. From the first on nothing is read from the device any more, to
    /// learn the same of each; what memory holds goes on to fill the room that is left.
    found_no_room: usize,
    under_way: Vec<UnderWay<'a>>,
    /// What was asked of the device first has come: the others need not be waited for.
    first_came: bool,
    /// Partitions that the device holds are left for the next fetch.
    is_cut_short: bool,
    begun: Moment,
}

/// Reads the partitions of one shard for fetches.
pub(crate) struct PartitionReader {
    pub(crate) table: Rc<Table>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) reads_beside: ReadsBeside,
    pub(crate) counters: Rc<Counters>,
}

impl PartitionReader {
    /// Reads partitions of this shard.
    pub(crate) async fn read(&self, request: ReadRequest) -> Vec<FetchedPartition> {
        let mut reading = Reading {
            reader: self,
            request: &request,
            fetched: Vec::with_capacity(request.partitions.len()),
            bytes: 0,
            left: request.budget_bytes,
            first: request.first,
            found_no_room: 0,
            under_way: Vec::new(),
            first_came: false,
            is_cut_short: false,
            begun: millrace_rt::now(),
        };
        for some in request.partitions.chunks(PARTITIONS_A_TURN) {
            if !reading.fetched.is_empty() {
                millrace_rt::yield_now().await;
            }
            for asked in some {
                reading.begin(asked).await;
            }
        }
        while reading.take_one().await {}
        if reading.is_cut_short {
            self.counters.fetch.fetches_cut_short.increment();
        }
        reading.fetched
    }

    /// Whether nothing of what is asked for is to be read from the device.
    pub(crate) fn is_at_hand(&self, request: &ReadRequest) -> bool {
        request.partitions.iter().all(|asked| {
            self.table.get(asked.key).is_none_or(|partition| {
                let partition = partition.borrow();
                asked.offset >= partition.ends.high_watermark || at_hand(&partition, asked.offset).is_some()
            })
        })
    }

    /// The partition, and what is said of it without a record.
    fn readable(&self, asked: &FetchPartition) -> Result<(PartitionRef, Fetched), FetchError> {
        let partition = self.table.get(asked.key).ok_or(FetchError::UnknownPartition)?;
        let ends = readable(&partition.borrow(), asked)?;
        Ok((partition, ends))
    }

    async fn read_from_device(
        &self,
        asked: &FetchPartition,
        partition: PartitionRef,
        grant: Grant,
    ) -> Result<Fetched, FetchError> {
        let read = read_batches(&self.files, &partition, asked.offset, grant.limit()).await;
        let read = match read {
            // Its file went while it was read.
            Err(_) if asked.offset < partition.borrow().ends.log_start_offset => {
                return Err(FetchError::OffsetOutOfRange);
            }
            read => read?,
        };
        // As they are now: what was read may lie beyond what they were.
        let ends = ends(&partition.borrow());
        Ok(grant.filled(read, ends))
    }
}

impl<'a> Reading<'a> {
    /// Reads the next partition; what is read from the device for it may come later.
    async fn begin(&mut self, asked: &'a FetchPartition) {
        let place = self.fetched.len();
        let (partition, ends) = match self.reader.readable(asked) {
            Ok(it) => it,
            Err(error) => return self.fetched.push(FetchedPartition { result: Err(error) }),
        };
        // Of thousands of partitions that a reader follows most have nothing new.
        if asked.offset >= ends.high_watermark {
            return self.fetched.push(FetchedPartition { result: Ok(ends) });
        }
        if !self.may_bring(asked) {
            let unfilled_bytes = self.left.min(asked.max_bytes);
            return self.fetched.push(FetchedPartition { result: Ok(Fetched { unfilled_bytes, ..ends }) });
        }
        let in_memory = at_hand(&partition.borrow(), asked.offset);
        if let Some(reach) = in_memory {
            if !self.may_bring_from_memory(asked, &reach) {
                return self.fetched.push(FetchedPartition { result: Ok(ends) });
            }
            let grant = self.grant(asked.max_bytes);
            let read = read_reach(&self.reader.files, &partition, reach, asked.offset, grant.limit()).await;
            let result = read.map(|read| grant.filled(read, ends));
            let answer = self.counted(asked, grant, result);
            return self.fetched.push(answer);
        }
        self.fetched.push(FetchedPartition { result: Ok(ends) });
        let Some(turn) = self.turn(asked).await else { return };
        let most = usize::try_from(visible_bytes(&partition.borrow(), asked.offset)).unwrap_or(usize::MAX);
        let grant = self.grant(asked.max_bytes.min(most));
        let read = Box::pin(self.reader.read_from_device(asked, partition, grant));
        self.ask_device(UnderWay { place, grant, turn, read }).await;
    }

    fn may_bring(&self, asked: &FetchPartition) -> bool {
        let room = self.left.min(asked.max_bytes);
        room >= BATCH_BYTES_MIN || self.first == FirstBatch::Always
    }

    fn may_bring_from_device(&self, asked: &FetchPartition) -> bool {
        self.may_bring(asked) && (self.found_no_room == 0 || self.first == FirstBatch::Always)
    }

    /// Whether what memory holds is worth a look: behind a few that found no room it is where all of it fits.
    fn may_bring_from_memory(&self, asked: &FetchPartition, reach: &Reach) -> bool {
        let fits = || reach.limit - reach.from <= self.left.min(asked.max_bytes) as u64;
        self.found_no_room < FOUND_NO_ROOM_MAX || self.first == FirstBatch::Always || fits()
    }

    /// Reserves a part of the budget.
    fn grant(&mut self, wanted: usize) -> Grant {
        let grant = Grant { max_bytes: wanted.min(self.left), first: self.first };
        self.left -= grant.max_bytes;
        self.first = FirstBatch::WithinBudget;
        grant
    }

    /// When another partition may be read from the device; none where there is no room or time for it.
    async fn turn(&mut self, asked: &FetchPartition) -> Option<DeviceTurn<'a>> {
        while self.may_bring_from_device(asked) {
            if self.is_over() {
                self.is_cut_short = true;
                break;
            }
            if self.under_way.is_empty() {
                return Some(DeviceTurn::Alone);
            }
            let beside = (self.under_way.len() < READS_MAX).then(|| self.reader.reads_beside.begin());
            if let Some(beside) = beside.flatten() {
                return Some(DeviceTurn::Beside(beside));
            }
            self.take_one().await;
        }
        None
    }

    async fn ask_device(&mut self, mut asked: UnderWay<'a>) {
        // It begins when it is polled.
        match poll_fn(|context| Poll::Ready(asked.read.as_mut().poll(context))).await {
            Poll::Ready(read) => self.came_from_device(asked, read),
            Poll::Pending => self.under_way.push(asked),
        }
    }

    /// Waits for one partition from the device; false where none is under way, or worth the time.
    async fn take_one(&mut self) -> bool {
        if self.under_way.is_empty() {
            return false;
        }
        let is_enough = self.is_enough();
        let gathered = self.begun + GATHERING;
        let next = next_of(&mut self.under_way);
        let (index, read) = match is_enough {
            false => next.await,
            true => match millrace_rt::select(next, millrace_rt::sleep_until(gathered)).await {
                Either::Left(it) => it,
                Either::Right(()) => {
                    self.under_way.clear();
                    self.is_cut_short = true;
                    return false;
                }
            },
        };
        let asked = self.under_way.swap_remove(index);
        self.came_from_device(asked, read);
        true
    }

    fn came_from_device(&mut self, asked: UnderWay<'a>, read: Result<Fetched, FetchError>) {
        self.first_came |= matches!(asked.turn, DeviceTurn::Alone);
        let UnderWay { place, grant, .. } = asked;
        self.fetched[place] = self.counted(&self.request.partitions[place], grant, read);
    }

    /// The result of a partition that has been read; what it brought of its grant is taken from the budget.
    fn counted(
        &mut self,
        asked: &FetchPartition,
        grant: Grant,
        result: Result<Fetched, FetchError>,
    ) -> FetchedPartition {
        let answer = FetchedPartition { result };
        let bytes = fetched_bytes(&answer);
        self.bytes += bytes;
        self.left = (self.left + grant.max_bytes).saturating_sub(bytes);
        if bytes == 0 {
            match grant.first {
                FirstBatch::Always => self.first = FirstBatch::Always,
                FirstBatch::WithinBudget => {
                    self.found_no_room += usize::from(waits_for_room(asked, &answer, grant.max_bytes));
                }
            }
        }
        answer
    }

    fn is_enough(&self) -> bool {
        self.first_came && self.bytes >= self.request.enough_bytes
    }

    /// Whether the reader is not to wait for the device any longer.
    fn is_over(&self) -> bool {
        self.is_enough() && millrace_rt::now() >= self.begun + GATHERING
    }
}

/// The first of them that ends, by its index.
fn next_of(under_way: &mut [UnderWay<'_>]) -> impl Future<Output = (usize, Result<Fetched, FetchError>)> {
    poll_fn(|context| {
        for (index, asked) in under_way.iter_mut().enumerate() {
            if let Poll::Ready(read) = asked.read.as_mut().poll(context) {
                return Poll::Ready((index, read));
            }
        }
        Poll::Pending
    })
}

/// Whether a partition brought nothing because of the fetch's budget,
/// and not because of its own limit or its end.
fn waits_for_room(asked: &FetchPartition, answer: &FetchedPartition, granted_bytes: usize) -> bool {
    let more = answer.result.as_ref().is_ok_and(|fetched| asked.offset < fetched.high_watermark);
    more && granted_bytes < asked.max_bytes
}

/// What is said of it without a record, if the reader's epoch and offset fit.
fn readable(partition: &Partition, asked: &FetchPartition) -> Result<Fetched, FetchError> {
    partition.check_epoch(asked.current_leader_epoch)?;
    if asked.offset < partition.ends.log_start_offset || asked.offset > partition.ends.log_end_offset {
        return Err(FetchError::OffsetOutOfRange);
    }
    Ok(ends(partition))
}

fn ends(partition: &Partition) -> Fetched {
    Fetched {
        records: Vec::new(),
        held_bytes: 0,
        unfilled_bytes: 0,
        high_watermark: partition.ends.high_watermark,
        // Without transactions every committed record is stable.
        last_stable_offset: partition.ends.high_watermark,
        log_start_offset: partition.ends.log_start_offset,
    }
}
