//! What runs on the shards: audits what is there, sends and deletes, waits until files are gone.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::Offset;
use millrace_core::log::SegmentName;
use millrace_rt::{Gate, Seat, fs, world};
use millrace_shard::{
    AppendError, AppendPartition, DeleteRecordsAsk, Engine, Isolation, OffsetAsk, OffsetQuery, Shard,
    ValidateOnly,
};

use super::ledger::RetentionLedger;
use super::plan::{Keeps, RETENTION_BYTES};
use crate::machine::Progress;
use crate::promises::DATA_DIR;
use crate::reading::{PRODUCE_VERSION, Unread, fetch};
use crate::scenario::{Serve, serve_behind_the_first};
use crate::times::{ask_times, judge_times};

/// Longer than any retention and any delay of the plan.
const QUIET: Duration = Duration::from_secs(2);
/// Before an append is sent again that a failing disk refused.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// As configured by the plan's topics.
const SEGMENT_BYTES: u64 = 1 << 20;
/// One of so many batches is followed by a deletion.
const DELETIONS_EVERY: u64 = 6;

/// One boot of the node, as its shards share it.
#[derive(Clone)]
pub(crate) struct RetentionNode {
    pub(super) ledger: Rc<RefCell<RetentionLedger>>,
    pub(super) engine: Engine,
    pub(super) progress: Rc<Progress>,
    pub(super) stop: Gate,
}

impl Serve for RetentionNode {
    async fn serve(self, seat: Seat) {
        let lead = async |shard: &Shard| self.lead(shard).await;
        serve_behind_the_first(seat, &self.engine, &self.progress, &self.stop, lead).await;
    }
}

impl RetentionNode {
    async fn lead(&self, shard: &Shard) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let missing = |name: &str| shard.image().topic(name).is_none();
        let topics: Vec<_> = plan.new_topics().filter(|topic| missing(&topic.name)).collect();
        for result in shard.create_topics(topics, ValidateOnly::No).await {
            if let Err(error) = result {
                self.ledger.borrow_mut().violate(format!("a topic was refused: {error}"));
            }
        }
        self.audit(shard).await;
        let senders: Vec<_> = (0..plan.streams.len())
            .map(|number| millrace_rt::spawn(self.clone().send(shard.clone(), number)))
            .collect();
        let ended = Rc::new(Cell::new(false));
        let watcher = millrace_rt::spawn(self.clone().watch_starts(shard.clone(), Rc::clone(&ended)));
        for sender in senders {
            sender.await;
        }
        ended.set(true);
        watcher.await;
        millrace_rt::sleep(QUIET).await;
        self.audit(shard).await;
        self.audit_files(shard).await;
    }

    /// Sends what the log lacks, one batch after another, and deletes now and then.
    async fn send(self, shard: Shard, number: usize) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let stream = &plan.streams[number];
        let Some(latest) = self.offset(&shard, number, OffsetQuery::Latest).await else { return };
        for place in stream.place_of(latest)..stream.batches.len() {
            let records = stream.batches[place].bytes.clone();
            let append = || AppendPartition {
                key: stream.key,
                records: records.clone(),
                produce_version: PRODUCE_VERSION,
            };
            let mut outcome = shard.admit_append(vec![append()]).await.await.into_iter().next();
            // A write that fell short is taken for a full disk, until it is tried again.
            while matches!(outcome, Some(Err(AppendError::Storage | AppendError::NoSpace)))
                && self.progress.disk_may_fail()
            {
                millrace_rt::sleep(RETRY_PAUSE).await;
                outcome = shard.admit_append(vec![append()]).await.await.into_iter().next();
            }
            match outcome {
                Some(Ok(appended)) => {
                    self.ledger.borrow_mut().acknowledged(number, place, appended.base_offset);
                }
                refused => self.ledger.borrow_mut().violate(format!("an append was answered {refused:?}")),
            }
            if millrace_rt::random_u64().is_multiple_of(DELETIONS_EVERY) {
                self.delete(&shard, number).await;
            }
        }
    }

    async fn delete(&self, shard: &Shard, number: usize) {
        let key = self.ledger.borrow().plan.streams[number].key;
        let end = self.ledger.borrow().end(number);
        let back = (millrace_rt::random_u64() % 40) as i64;
        let before = Offset((end.0 - back).max(0));
        // Now and then everything goes, also the segment that is being written.
        let before = if back < 4 { end } else { before };
        self.ledger.borrow_mut().asks_to_delete(number, before);
        let told = self.ledger.borrow().start(number);
        let asks = vec![DeleteRecordsAsk { key, before: Some(before) }];
        let answer = shard.delete_records(asks).await.into_iter().next();
        let mut ledger = self.ledger.borrow_mut();
        match answer {
            Some(Ok(start)) => {
                world::log(format!("stream {number} begins at {start} by request"));
                ledger.deleted(number, before, start, told);
            }
            refused => {
                ledger
                    .violate(format!("stream {number}: a deletion before {before} was answered {refused:?}"));
            }
        }
    }

    /// What readers are told of a log's start holds ever after.
    async fn watch_starts(self, shard: Shard, ended: Rc<Cell<bool>>) {
        let streams = self.ledger.borrow().plan.streams.len();
        while !ended.get() {
            for number in 0..streams {
                let told = self.ledger.borrow().start(number);
                if let Some(start) = self.offset(&shard, number, OffsetQuery::Earliest).await {
                    self.ledger.borrow_mut().began(number, start, told, "the log");
                }
            }
            millrace_rt::sleep(Duration::from_millis(3)).await;
        }
    }

    async fn audit(&self, shard: &Shard) {
        let streams = self.ledger.borrow().plan.streams.len();
        for number in 0..streams {
            let mut audited = self.audit_log(shard, number).await;
            if audited.is_err() && self.progress.disk_may_fail() {
                audited = self.audit_log(shard, number).await;
            }
            if let Err(reason) = audited {
                self.ledger.borrow_mut().violate(format!("stream {number}: {reason}"));
            }
        }
    }

    async fn audit_log(&self, shard: &Shard, number: usize) -> Result<(), String> {
        let key = self.ledger.borrow().plan.streams[number].key;
        // Retention goes on meanwhile, so that a log may begin later at any moment.
        for _ in 0..100 {
            let start = self.offset(shard, number, OffsetQuery::Earliest).await.ok_or("no start")?;
            let end = self.offset(shard, number, OffsetQuery::Latest).await.ok_or("no end")?;
            if start > Offset::ZERO && fetch(shard, key, Offset(start.0 - 1), Duration::ZERO).await.is_ok() {
                return Err(format!("a record below {start} can be read"));
            }
            let times = ask_times(shard, key).await?;
            let (mut log, mut next, mut unread) = (Vec::new(), start, None);
            while next < end {
                let stored = match fetch(shard, key, next, Duration::ZERO).await {
                    Ok((stored, _)) => stored,
                    Err(Unread::Storage) => return Err("the disk could not be read".to_owned()),
                    Err(refused) => {
                        unread = Some(format!(
                            "offset {next} between {start} and {end} cannot be read: {refused}"
                        ));
                        break;
                    }
                };
                let Some(last) = stored.last() else { break };
                next = last.2;
                log.extend(stored);
            }
            if self.offset(shard, number, OffsetQuery::Earliest).await == Some(start) {
                unread.map_or(Ok(()), Err)?;
                judge_times(&times, log.iter().map(|(stored, ..)| stored), start)?;
                self.ledger.borrow_mut().audit(number, start, end, &log);
                return Ok(());
            }
        }
        Err("its start never stands still".to_owned())
    }

    async fn offset(&self, shard: &Shard, number: usize, query: OffsetQuery) -> Option<Offset> {
        let key = self.ledger.borrow().plan.streams[number].key;
        let isolation = Isolation::ReadUncommitted;
        let ask = OffsetAsk { key, query, isolation, current_leader_epoch: None };
        let answer = shard.list_offsets(vec![ask]).await.into_iter().next()?;
        match answer {
            Ok(found) => Some(found.offset),
            Err(error) => {
                self.ledger.borrow_mut().violate(format!("stream {number}: {query:?} is refused: {error}"));
                None
            }
        }
    }

    /// Files of what is deleted are gone, and what is kept stays within its limit.
    async fn audit_files(&self, shard: &Shard) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        for (number, stream) in plan.streams.iter().enumerate() {
            let dir = Path::new(DATA_DIR).join("topics").join(plan.directory(stream));
            let entries = fs::read_dir(&dir).await.unwrap_or_default();
            let Some(start) = self.offset(shard, number, OffsetQuery::Earliest).await else { return };
            let (mut bases, mut bytes, mut strays) = (Vec::new(), 0, Vec::new());
            for entry in entries {
                match SegmentName::parse(&entry.name) {
                    Some(name) => {
                        bases.push(name.base);
                        bytes += fs::len(&dir.join(&entry.name)).await.unwrap_or(0);
                    }
                    None if entry.name.ends_with(".deleted") => strays.push(entry.name),
                    None => {}
                }
            }
            bases.sort_unstable();
            let mut ledger = self.ledger.borrow_mut();
            // What a failing disk kept from being deleted goes with the next start.
            if self.progress.disk_may_fail() {
                continue;
            }
            if !strays.is_empty() {
                ledger.violate(format!("stream {number}: {strays:?} are still there"));
            }
            if bases.get(1).is_some_and(|second| *second <= start) {
                ledger.violate(format!("stream {number} begins at {start}, and has files {bases:?}"));
            }
            let limit = match stream.keeps {
                Keeps::Bytes => RETENTION_BYTES + 2 * SEGMENT_BYTES,
                Keeps::Time => 0,
            };
            if bytes > limit {
                ledger.violate(format!("stream {number} takes {bytes} bytes, more than {limit}"));
            }
        }
    }
}
