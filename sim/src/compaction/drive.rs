//! What runs on the shards: audits what is there, sends, reads meanwhile, waits until logs are compacted.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::Offset;
use millrace_core::log::{BatchWalk, SegmentName};
use millrace_core::meta::NewTopic;
use millrace_rt::{Gate, Seat, fs};
use millrace_shard::{
    AppendError, AppendPartition, Engine, Isolation, OffsetAsk, OffsetQuery, Shard, ValidateOnly,
};

use super::ledger::{CompactionLedger, Log};
use crate::machine::Progress;
use crate::promises::DATA_DIR;
use crate::reading::{PRODUCE_VERSION, Unread, fetch};
use crate::scenario::{Serve, serve_behind_the_first};

/// Longer than compaction takes with all logs, and files live on.
const QUIET: Duration = Duration::from_secs(3);
/// Before an append is sent again that a failing disk refused.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Between batches at most, so that compaction has its turns between them.
const SEND_PAUSE_MICROS: u64 = 20_000;
const READ_PAUSE: Duration = Duration::from_millis(9);

/// One boot of the node, as its shards share it.
#[derive(Clone)]
pub(crate) struct CompactionNode {
    pub(super) ledger: Rc<RefCell<CompactionLedger>>,
    pub(super) engine: Engine,
    pub(super) progress: Rc<Progress>,
    pub(super) stop: Gate,
    pub(super) patience: Patience,
}

/// What a sender does where there is no space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// There is always space.
    None,
    /// The disk is full for a while: it tries again.
    Waits,
}

impl Patience {
    async fn wait(self) -> bool {
        if self == Patience::Waits {
            millrace_rt::sleep(RETRY_PAUSE).await;
        }
        self == Patience::Waits
    }
}

impl Serve for CompactionNode {
    async fn serve(self, seat: Seat) {
        let lead = async |shard: &Shard| self.lead(shard).await;
        serve_behind_the_first(seat, &self.engine, &self.progress, &self.stop, lead).await;
    }
}

impl CompactionNode {
    async fn lead(&self, shard: &Shard) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let missing = |name: &str| shard.image().topic(name).is_none();
        let topics: Vec<_> = plan.new_topics().filter(|topic| missing(&topic.name)).collect();
        for topic in topics {
            let mut refused = self.create(shard, topic.clone()).await;
            while refused.is_some() && self.patience.wait().await {
                refused = self.create(shard, topic.clone()).await;
            }
            if let Some(error) = refused {
                self.ledger.borrow_mut().violate(format!("a topic was refused: {error}"));
            }
        }
        self.audit(shard, Compacted::Perhaps).await;
        let streams = 0..plan.streams.len();
        let senders: Vec<_> = streams
            .clone()
            .map(|number| millrace_rt::spawn(self.clone().send(shard.clone(), number)))
            .collect();
        let ended = Rc::new(Cell::new(false));
        let reader = millrace_rt::spawn(self.clone().read_on(shard.clone(), Rc::clone(&ended)));
        for sender in senders {
            sender.await;
        }
        ended.set(true);
        reader.await;
        millrace_rt::sleep(QUIET).await;
        self.audit(shard, Compacted::Surely).await;
    }

    async fn create(&self, shard: &Shard, topic: NewTopic) -> Option<String> {
        let results = shard.create_topics(vec![topic], ValidateOnly::No).await;
        results.into_iter().find_map(Result::err).map(|error| error.to_string())
    }

    /// Sends what the log lacks, one batch after another.
    async fn send(self, shard: Shard, number: usize) {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let stream = &plan.streams[number];
        let Some(latest) = self.latest(&shard, number).await else { return };
        for place in stream.place_of(latest)..stream.batches.len() {
            let append = || AppendPartition {
                key: stream.key,
                records: stream.batches[place].clone(),
                produce_version: PRODUCE_VERSION,
            };
            let mut outcome = shard.admit_append(vec![append()]).await.await.into_iter().next();
            // A write that fell short is taken for a full disk, until it is tried again.
            while matches!(outcome, Some(Err(AppendError::Storage | AppendError::NoSpace)))
                && (self.progress.disk_may_fail() || self.patience.wait().await)
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
            let pause = millrace_rt::random_u64() % SEND_PAUSE_MICROS;
            millrace_rt::sleep(Duration::from_micros(pause)).await;
        }
    }

    /// Reads logs from their beginning while segments take the places of others.
    async fn read_on(self, shard: Shard, ended: Rc<Cell<bool>>) {
        let streams = self.ledger.borrow().plan.streams.len();
        while !ended.get() {
            for number in 0..streams {
                match self.read(&shard, number).await {
                    Ok((_, log)) => self.ledger.borrow_mut().judge_records(number, &log),
                    Err(_) if self.progress.disk_may_fail() => {}
                    Err(reason) => self.ledger.borrow_mut().violate(format!("stream {number}: {reason}")),
                }
            }
            millrace_rt::sleep(READ_PAUSE).await;
        }
    }

    async fn audit(&self, shard: &Shard, compacted: Compacted) {
        let streams = self.ledger.borrow().plan.streams.len();
        for number in 0..streams {
            let untouched = self.end_of_files(number).await;
            let mut read = self.read(shard, number).await;
            if read.is_err() && self.progress.disk_may_fail() {
                read = self.read(shard, number).await;
            }
            let mut ledger = self.ledger.borrow_mut();
            match read {
                Ok((end, log)) => {
                    ledger.audit(number, end, untouched, &log);
                    // What a failing disk kept from being compacted is compacted later.
                    let was_full = self.patience != Patience::None;
                    if compacted == Compacted::Surely && !was_full && !self.progress.disk_may_fail() {
                        ledger.expect_compacted(number, &log);
                    }
                }
                Err(reason) => ledger.violate(format!("stream {number}: {reason}")),
            }
        }
    }

    /// A log from its beginning to its end, and where that is.
    async fn read(&self, shard: &Shard, number: usize) -> Result<(Offset, Log), String> {
        let key = self.ledger.borrow().plan.streams[number].key;
        let end = self.latest(shard, number).await.ok_or("no end")?;
        let (mut log, mut next) = (Log::default(), Offset::ZERO);
        while next < end {
            let fetched = match fetch(shard, key, next, Duration::ZERO).await {
                Ok((fetched, _)) => fetched,
                Err(Unread::Storage) => return Err("the disk could not be read".to_owned()),
                Err(refused) => return Err(format!("offset {next} below {end} cannot be read: {refused}")),
            };
            let Some((.., behind)) = fetched.last() else {
                return Err(format!("nothing can be read at {next}, and the log ends at {end}"));
            };
            next = *behind;
            log.take(&fetched)?;
        }
        Ok((end, log))
    }

    /// Where the last segment's file ends: what lies behind was never in a file, and is not compacted.
    /// Whether that segment is the active one no file tells.
    async fn end_of_files(&self, number: usize) -> Offset {
        let plan = Rc::clone(&self.ledger.borrow().plan);
        let dir = Path::new(DATA_DIR).join("topics").join(plan.directory(&plan.streams[number]));
        let entries = twice(async || fs::read_dir(&dir).await).await.unwrap_or_default();
        let bases = entries.iter().filter_map(|entry| SegmentName::parse(&entry.name));
        let Some(last) = bases.max() else { return Offset::ZERO };
        let path = dir.join(last.to_string());
        let bytes = twice(async || fs::read(&path).await).await.unwrap_or_default();
        let batches = BatchWalk::new(&bytes).map_while(Result::ok);
        batches.last().map_or(last.base, |batch| batch.header.next_offset())
    }

    async fn latest(&self, shard: &Shard, number: usize) -> Option<Offset> {
        let key = self.ledger.borrow().plan.streams[number].key;
        let (query, isolation) = (OffsetQuery::Latest, Isolation::ReadUncommitted);
        let ask = OffsetAsk { key, query, isolation, current_leader_epoch: None };
        match shard.list_offsets(vec![ask]).await.into_iter().next()? {
            Ok(found) => Some(found.offset),
            Err(error) => {
                self.ledger.borrow_mut().violate(format!("stream {number}: its end is refused: {error}"));
                None
            }
        }
    }
}

/// Calls again where the first call fails: a disk that fails does so once.
async fn twice<T>(call: impl AsyncFn() -> io::Result<T>) -> io::Result<T> {
    match call().await {
        Err(_) => call().await,
        done => done,
    }
}

/// Whether there was time enough to compact all logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compacted {
    Perhaps,
    Surely,
}
