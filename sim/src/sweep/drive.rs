//! What runs on the shards of a swept node: opens the engine, audits what is there, sends, reads, closes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::{Offset, PartitionKey, ProducerId};
use millrace_core::log::ProducerFault;
use millrace_core::meta::TopicErrorKind;
use millrace_rt::{Gate, Seat, Signal, world};
use millrace_shard::{AppendError, AppendPartition, Appended, Engine, Shard, ValidateOnly};

use crate::machine::Progress;
use crate::promises::{AppendState, PromiseLedger};
use crate::reading::{PRODUCE_VERSION, Unread, fetch, read_whole};
use crate::scenario::Serve;
use crate::times::{ask_times, judge_times};
use crate::workload::{Stream, StreamKind};

/// As many as an idempotent producer may have under way, and a broker remembers: counted from the oldest
/// without an answer, since a broker answers a connection in order and these tasks hear of it in any.
const IN_FLIGHT_MAX: usize = 5;
/// A reader waits so long for more.
const READER_WAIT: Duration = Duration::from_millis(20);

/// Until what was refused for want of space is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Batches of one stream that are under way.
#[derive(Default)]
struct Flight {
    unanswered: RefCell<BTreeSet<usize>>,
    refused: RefCell<BTreeSet<usize>>,
    /// Refused because one before them was.
    out_of_order: RefCell<BTreeSet<usize>>,
    answered: Signal,
}

impl Flight {
    fn has_room(&self, place: usize) -> bool {
        self.unanswered.borrow().first().is_none_or(|oldest| place < oldest + IN_FLIGHT_MAX)
    }
}

/// What one boot is to do after it has audited what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordDuty {
    pub(crate) shards: u16,
    /// New batches that each stream sends; those without an answer are sent again first.
    pub(crate) more: usize,
}

/// One boot of the node, as its shards share it.
#[derive(Clone)]
pub(crate) struct SweepNode {
    pub(crate) duty: RecordDuty,
    pub(crate) ledger: Rc<RefCell<PromiseLedger>>,
    pub(crate) engine: Engine,
    progress: Rc<Progress>,
    shards_done: Rc<Cell<u16>>,
    loaded: Gate,
    sent: Gate,
    stop: Gate,
}

impl SweepNode {
    pub(crate) fn new(
        duty: RecordDuty,
        ledger: Rc<RefCell<PromiseLedger>>,
        engine: Engine,
        progress: Rc<Progress>,
    ) -> SweepNode {
        let (loaded, sent, stop) = (Gate::new(), Gate::new(), Gate::new());
        SweepNode { duty, ledger, engine, progress, shards_done: Rc::default(), loaded, sent, stop }
    }
}

impl Serve for SweepNode {
    async fn serve(self, seat: Seat) {
        let Some(shard) = self.progress.open(&self.engine, seat).await else { return };
        world::log("opened".to_owned());
        if seat.shard == 0 {
            self.create_topics(&shard).await;
            self.audit(&shard).await;
            self.ledger.borrow_mut().lost_power = false;
            self.loaded.open();
        }
        self.loaded.wait().await;
        self.work(&shard, seat).await;
        self.shards_done.set(self.shards_done.get() + 1);
        if self.shards_done.get() == self.duty.shards {
            self.sent.open();
        }
        self.sent.wait().await;
        if seat.shard == 0 {
            self.ledger.borrow_mut().expect_all_answered();
            self.audit(&shard).await;
            self.stop.open();
        }
        self.stop.wait().await;
        self.progress.journal_written(shard.stats().await.journal.written_bytes);
        shard.close().await;
        self.progress.shard_closed();
        world::log("closed".to_owned());
    }
}

impl SweepNode {
    async fn create_topics(&self, shard: &Shard) {
        let workload = Rc::clone(&self.ledger.borrow().workload);
        loop {
            let missing = |name: &str| shard.image().topic(name).is_none();
            let topics: Vec<_> =
                workload.new_topics().into_iter().filter(|topic| missing(&topic.name)).collect();
            let results = shard.create_topics(topics, ValidateOnly::No).await;
            let refused = results.into_iter().filter_map(Result::err);
            // A node that refuses for want of space for ever does not come to an end.
            let (later, never): (Vec<_>, Vec<_>) =
                refused.partition(|error| error.kind == TopicErrorKind::Storage);
            for error in never {
                self.ledger.borrow_mut().violate(format!("a topic was refused: {error}"));
            }
            if later.is_empty() {
                return;
            }
            millrace_rt::sleep(RETRY_PAUSE).await;
        }
    }

    /// Runs this shard's share of streams and readers; returns when every stream is answered.
    async fn work(&self, shard: &Shard, seat: Seat) {
        let workload = Rc::clone(&self.ledger.borrow().workload);
        let done = Rc::new(Cell::new(false));
        let mine = |number: usize| number % usize::from(seat.shards) == usize::from(seat.shard);
        let keys = workload.keys().map(|(_, key)| key).enumerate().filter(|(number, _)| mine(*number));
        let mut readers = Vec::new();
        for (_, key) in keys {
            let reader = self.clone().read_on(shard.clone(), key, Rc::clone(&done));
            readers.push(millrace_rt::spawn(reader));
        }
        let mut senders = Vec::new();
        for number in (0..workload.streams.len()).filter(|number| mine(*number)) {
            senders.push(millrace_rt::spawn(self.clone().send(shard.clone(), number)));
        }
        for sender in senders {
            sender.await;
        }
        done.set(true);
        for reader in readers {
            reader.await;
        }
    }

    /// Sends what is due of one stream, a few batches under way at a time. What is refused for want of space
    /// is sent again, as a producer does, if that keeps the order.
    async fn send(self, shard: Shard, number: usize) {
        let mut due: VecDeque<usize> = self.ledger.borrow().to_send(number, self.duty.more).into();
        loop {
            let mut refused = self.send_until_refused(&shard, number, &mut due).await;
            let kind = self.ledger.borrow().workload.streams[number].kind;
            if kind == StreamKind::Plain {
                refused.clear();
            }
            refused.into_iter().rev().for_each(|place| due.push_front(place));
            if due.is_empty() {
                return;
            }
            millrace_rt::sleep(RETRY_PAUSE).await;
        }
    }

    /// Sends until all is answered or one was refused; then nothing is under way any more.
    /// Answers those refused.
    async fn send_until_refused(
        &self,
        shard: &Shard,
        number: usize,
        due: &mut VecDeque<usize>,
    ) -> BTreeSet<usize> {
        let workload = Rc::clone(&self.ledger.borrow().workload);
        let stream = &workload.streams[number];
        let flight: Rc<Flight> = Rc::default();
        while let Some(place) = due.front().copied() {
            while !flight.has_room(place) {
                flight.answered.wait().await;
            }
            if millrace_rt::random_u64().is_multiple_of(3) {
                let micros = millrace_rt::random_u64() % stream.pause_micros;
                millrace_rt::sleep(Duration::from_micros(micros)).await;
            }
            if !flight.refused.borrow().is_empty() || !flight.out_of_order.borrow().is_empty() {
                break;
            }
            due.pop_front();
            let before = self.ledger.borrow_mut().sent(number, place);
            let ticket = shard.admit_append(vec![append_of(stream, place)]).await;
            flight.unanswered.borrow_mut().insert(place);
            let (boot, flight) = (self.clone(), Rc::clone(&flight));
            millrace_rt::spawn(async move {
                let outcome = ticket.await.into_iter().next();
                boot.answered((number, place), before, outcome, &flight);
                flight.unanswered.borrow_mut().remove(&place);
                flight.answered.notify_all();
            });
        }
        while !flight.unanswered.borrow().is_empty() {
            flight.answered.wait().await;
        }
        let mut refused = flight.refused.take();
        let mut out_of_order = flight.out_of_order.take();
        for place in &out_of_order {
            if refused.range(..place).next().is_none() {
                self.ledger.borrow_mut().violate(format!("stream {number} batch {place} is out of order"));
            }
        }
        refused.append(&mut out_of_order);
        refused
    }

    fn answered(
        &self,
        (number, place): (usize, usize),
        before: AppendState,
        outcome: Option<Result<Appended, AppendError>>,
        flight: &Flight,
    ) {
        let mut ledger = self.ledger.borrow_mut();
        match outcome {
            Some(Ok(appended)) => {
                let offset = appended.base_offset;
                world::log(format!("stream {number} batch {place} is acknowledged at {offset}"));
                ledger.acknowledged(number, place, offset);
            }
            Some(Err(AppendError::NoSpace)) => {
                world::log(format!("stream {number} batch {place} is refused for want of space"));
                self.progress.append_refused();
                ledger.refused(number, place, before);
                flight.refused.borrow_mut().insert(place);
            }
            Some(Err(AppendError::Storage)) if self.progress.disk_may_fail() => {
                world::log(format!(
                    "stream {number} batch {place} is refused: the end of the log cannot be read"
                ));
                ledger.refused(number, place, before);
                flight.refused.borrow_mut().insert(place);
            }
            Some(Err(AppendError::Producer(ProducerFault::OutOfOrder { .. }))) => {
                ledger.refused(number, place, before);
                flight.out_of_order.borrow_mut().insert(place);
            }
            Some(Err(error)) => ledger.violate(format!("stream {number} batch {place}: {error}")),
            None => ledger.violate("an append without an outcome".to_owned()),
        }
    }

    /// Follows one partition as a consumer does.
    async fn read_on(self, shard: Shard, key: PartitionKey, done: Rc<Cell<bool>>) {
        let mut next = Offset::ZERO;
        let mut visible = Offset::ZERO;
        let mut anew: Option<Offset> = None;
        let mut failed_reads = 0;
        self.progress.reader_began();
        while !done.get() {
            if self.progress.is_squeezed() && anew.is_none() {
                (anew, next) = (Some(next), Offset::ZERO);
            }
            let fetched = fetch(&shard, key, next, READER_WAIT).await;
            let mut ledger = self.ledger.borrow_mut();
            let (stored, high_watermark) = match fetched {
                Ok(fetched) => fetched,
                Err(Unread::Storage) if self.progress.disk_may_fail() && failed_reads == 0 => {
                    failed_reads += 1;
                    continue;
                }
                Err(error) => {
                    return ledger.violate(format!("{key}: a reader at {next} was refused: {error}"));
                }
            };
            if high_watermark < visible {
                ledger.violate(format!("{key}: the high watermark fell from {visible} to {high_watermark}"));
            }
            visible = high_watermark;
            for (stored, checksum, end) in &stored {
                ledger.saw(key, stored.base_offset, *checksum);
                if *end > high_watermark {
                    ledger.violate(format!(
                        "{key}: a reader got {end}, above the high watermark {high_watermark}"
                    ));
                }
                next = *end;
            }
            if self.progress.is_squeezed() && anew.take_if(|before| next >= *before).is_some() {
                self.progress.was_read_anew();
                anew = Some(Offset(i64::MAX));
            }
        }
        self.progress.reader_ended();
    }

    /// Reads every partition whole and lets the ledger judge it.
    async fn audit(&self, shard: &Shard) {
        let workload = Rc::clone(&self.ledger.borrow().workload);
        for (topic, key) in workload.keys() {
            // Before anything is read: what the start left is enough to find times.
            let mut times = ask_times(shard, key).await;
            let mut read = read_whole(shard, key).await;
            // One question has failed with the disk, and nothing else.
            if times.is_err() && self.progress.disk_may_fail() {
                times = ask_times(shard, key).await;
            } else if matches!(read, Err(Unread::Storage)) && self.progress.disk_may_fail() {
                read = read_whole(shard, key).await;
            }
            let judged = read.and_then(|log| {
                judge_times(&times?, &log, Offset::ZERO)?;
                Ok(log)
            });
            match judged {
                Ok(log) => self.ledger.borrow_mut().audit(key, topic.durability, &log),
                Err(reason) => self.ledger.borrow_mut().violate(format!("{key}: {reason}")),
            }
        }
        let ids = self.take_producer_ids(shard).await;
        world::log(format!("audited; producer ids {ids:?}"));
    }

    /// Producer ids are given once, whatever crashes.
    async fn take_producer_ids(&self, shard: &Shard) -> BTreeSet<ProducerId> {
        let mut ids = BTreeSet::new();
        while ids.len() < 2 {
            match shard.allocate_producer_id().await {
                Ok(id) => drop(ids.insert(id)),
                Err(_) if self.progress.is_squeezed() => millrace_rt::sleep(RETRY_PAUSE).await,
                Err(error) => {
                    self.ledger.borrow_mut().violate(format!("no producer id: {error}"));
                    break;
                }
            }
        }
        let mut ledger = self.ledger.borrow_mut();
        for id in &ids {
            if !ledger.producer_ids.insert(*id) {
                ledger.violate(format!("producer id {id} was given twice"));
            }
        }
        ids
    }
}

fn append_of(stream: &Stream, place: usize) -> AppendPartition {
    let planned = &stream.batches[place];
    let resend = stream.kind == StreamKind::Idempotent;
    debug_assert!(resend || planned.header.producer_id == ProducerId::NONE, "plain streams have no producer");
    AppendPartition { key: stream.key, records: planned.bytes.clone(), produce_version: PRODUCE_VERSION }
}
