//! What runs on the shards of a damaged node: reads every log,
//! compares it with what was there before, appends, stops.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::{Offset, PartitionKey, ProducerId, TimestampMs};
use millrace_core::log::{BatchBuilder, BatchHeader, BatchRecord, Codec};
use millrace_rt::{Gate, Seat, world};
use millrace_shard::{AppendPartition, Engine, Isolation, OffsetAsk, OffsetQuery, Shard};

use crate::machine::Progress;
use crate::promises::Stored;
use crate::reading::{PRODUCE_VERSION, fetch};
use crate::sweep::flips::times::{self, Asked};

/// Each partition's log, batch by batch.
pub(super) type Logs = BTreeMap<PartitionKey, Vec<Stored>>;

/// What cannot be read while a batch is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hidden {
    #[default]
    ItAlone,
    /// Where the damage says where the next batch is, or which.
    Later,
}

/// What a damaged node is held to.
#[derive(Default)]
pub(super) struct Expected {
    /// Empty: what is read is the reference.
    pub(super) logs: Logs,
    pub(super) keys: Vec<PartitionKey>,
    /// The batch whose bytes in a segment were damaged, and what may be lost with it.
    pub(super) damaged: Option<(PartitionKey, Offset)>,
    pub(super) hides: Hidden,
    /// Logs may end early: the damage is in frames that no later one calls hard.
    pub(super) may_end_early: bool,
    pub(super) read: Logs,
    /// The first producer id that the undamaged node gives: those before it were given.
    pub(super) producer_id: Option<ProducerId>,
    pub(super) violations: Vec<String>,
    /// Whether the damage kept anybody from anything.
    pub(super) refused_reads: u64,
}

/// One boot of the node.
#[derive(Clone)]
pub(super) struct FlipBoot {
    pub(super) expected: Rc<RefCell<Expected>>,
    pub(super) engine: Engine,
    pub(super) progress: Rc<Progress>,
    /// One batch more for each partition, so that the end of a damaged log is written to.
    pub(super) appends: bool,
    pub(super) stop: Gate,
}

impl FlipBoot {
    pub(super) async fn serve(self, seat: Seat) {
        let Some(shard) = self.progress.open(&self.engine, seat).await else { return };
        if seat.shard == 0 {
            self.judge_producer_ids(&shard).await;
            let keys = self.expected.borrow().keys.clone();
            for key in keys {
                self.judge(&shard, key).await;
                if self.appends {
                    self.append(&shard, key).await;
                }
            }
            self.stop.open();
        }
        self.stop.wait().await;
        shard.close().await;
        self.progress.shard_closed();
    }

    fn violate(&self, what: String) {
        world::log(format!("VIOLATION {what}"));
        self.expected.borrow_mut().violations.push(what);
    }

    async fn latest(&self, shard: &Shard, key: PartitionKey) -> Result<Offset, String> {
        let (query, isolation) = (OffsetQuery::Latest, Isolation::ReadUncommitted);
        let ask = OffsetAsk { key, query, isolation, current_leader_epoch: None };
        let found = shard.list_offsets(vec![ask]).await.into_iter().next().ok_or("no answer")?;
        Ok(found.map_err(|error| error.to_string())?.offset)
    }

    /// No producer gets an id that another was given before.
    async fn judge_producer_ids(&self, shard: &Shard) {
        let given = match shard.allocate_producer_id().await {
            Ok(given) => given,
            Err(error) => return self.violate(format!("no producer id is given: {error}")),
        };
        let first = *self.expected.borrow_mut().producer_id.get_or_insert(given);
        if given < first {
            self.violate(format!("producer id {given} was given before: {first} is due"));
        }
    }

    /// Reads a log from its beginning; where the damage keeps it from being read, from each later batch on.
    async fn judge(&self, shard: &Shard, key: PartitionKey) {
        let latest = match self.latest(shard, key).await {
            Ok(latest) => latest,
            Err(error) => return self.violate(format!("{key}: {error}")),
        };
        let (reference, damaged, hides) = {
            let expected = self.expected.borrow();
            let damaged = expected.damaged.filter(|(of, _)| *of == key).map(|(_, offset)| offset);
            (expected.logs.get(&key).cloned(), damaged, expected.hides)
        };
        let end = reference.as_ref().and_then(|log| log.last()).map_or(Offset::ZERO, end_of);
        if latest < end && !self.expected.borrow().may_end_early {
            self.violate(format!("{key}: the log ends at {latest}, and ended at {end} before the damage"));
        }
        let mut next = Offset::ZERO;
        let mut met = false;
        let mut read: Vec<Stored> = Vec::new();
        while next < latest {
            match fetch(shard, key, next, Duration::ZERO).await {
                Ok((batches, _)) if batches.is_empty() => {
                    return self
                        .violate(format!("{key}: nothing comes at {next}, and the log ends at {latest}"));
                }
                Ok((batches, _)) => {
                    for (stored, _, behind) in batches {
                        if stored.base_offset != next {
                            self.violate(format!("{key}: {} came where {next} is due", stored.base_offset));
                        }
                        next = behind;
                        read.push(stored);
                    }
                }
                Err(_) if damaged == Some(next) || (met && hides == Hidden::Later) => {
                    met = true;
                    self.expected.borrow_mut().refused_reads += 1;
                    let later = reference.iter().flatten().map(|stored| stored.base_offset);
                    next = later.filter(|offset| *offset > next).min().unwrap_or(latest);
                }
                Err(error) => return self.violate(format!("{key}: refused at {next}: {error}")),
            }
        }
        if let Some(log) = reference.as_ref().filter(|_| !self.expected.borrow().may_end_early) {
            self.judge_times(shard, key, log, damaged).await;
        }
        self.compare(key, reference, read);
    }

    /// Nobody gets another offset for a time because of a damage.
    async fn judge_times(&self, shard: &Shard, key: PartitionKey, log: &[Stored], damaged: Option<Offset>) {
        for Asked { query, due, found } in times::ask(shard, key, log, damaged).await {
            match found {
                Ok(found) if found == due => {}
                Err(_) if damaged.is_some() => self.expected.borrow_mut().refused_reads += 1,
                found => self.violate(format!("{key}: {query:?} is answered with {found:?}, not {due:?}")),
            }
        }
    }

    fn compare(&self, key: PartitionKey, reference: Option<Vec<Stored>>, read: Vec<Stored>) {
        if let Some(reference) = reference {
            let known: BTreeMap<Offset, &Stored> =
                reference.iter().map(|stored| (stored.base_offset, stored)).collect();
            for stored in &read {
                if known.get(&stored.base_offset) != Some(&stored) {
                    self.violate(format!("{key}: the batch at {} is not as it was", stored.base_offset));
                }
            }
        }
        self.expected.borrow_mut().read.insert(key, read);
    }

    /// One batch more. Where the end of the log is damaged it may be refused.
    async fn append(&self, shard: &Shard, key: PartitionKey) {
        let value = [7; 300];
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(BatchRecord::of_value(TimestampMs(1_700_000_000_000), &value));
        let records = bytes::Bytes::from(builder.build());
        let append = AppendPartition { key, records: records.clone(), produce_version: PRODUCE_VERSION };
        let outcome = shard.admit_append(vec![append]).await.await.into_iter().next();
        match outcome {
            Some(Ok(appended)) => match fetch(shard, key, appended.base_offset, Duration::ZERO).await {
                Ok((batches, _))
                    if batches.len() == 1 && batches[0].0.bytes.get(16..) == records.get(16..) =>
                {
                    let stored = batches[0].0.clone();
                    self.expected.borrow_mut().logs.entry(key).or_default().push(stored);
                }
                other => self.violate(format!("{key}: what was just appended reads as {other:?}")),
            },
            Some(Err(_)) if self.expected.borrow().damaged.is_some_and(|(of, _)| of == key) => {}
            other => self.violate(format!("{key}: an append was refused: {other:?}")),
        }
    }
}

pub(super) fn end_of(stored: &Stored) -> Offset {
    BatchHeader::parse(&stored.bytes).map_or(stored.base_offset.next(), |header| header.next_offset())
}
