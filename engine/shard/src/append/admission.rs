//! What is checked before a batch is queued.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_core::base::config::{BrokerConfig, ProduceValidation, TopicConfig};
use millrace_core::base::ids::{PartitionKey, ShardIndex, TimestampMs};
use millrace_core::log::compression::DECOMPRESSED_BYTES_MAX;
use millrace_core::log::recompress::{codec_of_type, recompress};
use millrace_core::log::validate::Compacted;
use millrace_core::log::{BatchFault, Codec, ValidBatch, Validation, ValidationRules, validate_within};

use crate::api::{AppendError, AppendPartition};
use crate::append::extent::ExtentWriter;
use crate::append::inflating::{Inflating, Unchecked};
use crate::append::last_block::LastBlocks;
use crate::commit::outcomes::{AppendOutcomes, AppendTicket, Part, Source};
use crate::commit::pending_append::PendingAppend;
use crate::commit::queue::Commit;
use crate::counters::Counters;
use crate::device::space::Space;
use crate::mesh::calls::Append;
use crate::mesh::shard_mesh::ShardMesh;
use crate::partition::producers::ProducerBound;
use crate::partition::state::PartitionRef;
use crate::partition::table::Table;

/// What is to be stored of a batch: as it came, or in the codec that its topic wants.
fn to_store(
    records: Bytes,
    rules: &ValidationRules,
    wanted: Option<Codec>,
    inflated_max: u64,
) -> Result<(ValidBatch, Bytes), AppendError> {
    let batch = validate_within(&records, rules, inflated_max)?;
    if batch.header.attributes.is_transactional() {
        return Err(AppendError::Transactional);
    }
    let recompressed = match wanted {
        None => None,
        Some(codec) => recompress(&batch, &records, codec)?,
    };
    let Some((batch, records)) = recompressed else { return Ok((batch, records)) };
    // It may have become larger.
    let (size, max) = (batch.size(), rules.max_message_bytes);
    if size > max {
        return Err(BatchFault::MessageTooLarge { size, max }.into());
    }
    Ok((batch, records.into()))
}

/// Batches that inflate to more are validated off the shard: this much takes a millisecond or two. Producers
/// bound theirs by 16 KiB to 1 MiB before they compress them.
const INFLATED_AT_ONCE: u64 = 512 * 1024;

/// Appends of one request that are checked between two turns of the other tasks, and for how long: batches
/// are walked, and small ones inflated.
const APPENDS_A_TURN: usize = 1024;
/// Appends between two looks at the clock.
const APPENDS_A_LOOK: usize = 16;
const ADMISSION_TURN: Duration = Duration::from_millis(2);

/// An append that may be queued: its partition, its header, and its bytes as they are to be stored.
type Checked = (PartitionRef, ValidBatch, Bytes);

/// A shard and the places of a request that are its.
type Group = (ShardIndex, Vec<usize>);

/// Gives each group its appends, in the order of the request.
fn divide(appends: Vec<AppendPartition>, groups: Vec<Group>) -> Vec<(Group, Vec<AppendPartition>)> {
    if groups.len() == 1 {
        return groups.into_iter().zip([appends]).collect();
    }
    let mut appends: Vec<Option<AppendPartition>> = appends.into_iter().map(Some).collect();
    let with_its_own = |group: Group| {
        let owned = group.1.iter().filter_map(|&place| appends[place].take()).collect();
        (group, owned)
    };
    groups.into_iter().map(with_its_own).collect()
}

/// Checks what producers send, and queues it. Lives on one shard.
pub(crate) struct Admission {
    pub(crate) mesh: Rc<ShardMesh>,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) bounds: AppendBounds,
    pub(crate) table: Rc<Table>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) extents: Rc<ExtentWriter>,
    pub(crate) last_blocks: Rc<LastBlocks>,
    pub(crate) inflating: Inflating,
    pub(crate) producers: Rc<ProducerBound>,
    pub(crate) space: Rc<Space>,
    pub(crate) counters: Rc<Counters>,
}

/// How much of appends a shard takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppendBounds {
    /// Of one batch.
    pub(crate) append_bytes: usize,
    /// Records that wait for the journal; more are refused.
    pub(crate) queue_bytes: usize,
}

impl Admission {
    /// Admits a request's appends, in the order of the calls: each goes to its owner's queue before this
    /// returns. Waits while a lane to an owner is full.
    ///
    /// Dropping the future may leave some of the appends admitted and others not.
    pub(crate) async fn admit_append(self: &Rc<Self>, appends: Vec<AppendPartition>) -> AppendTicket {
        let count = appends.len();
        let groups = self.mesh.by_owner(appends.iter().map(|append| append.key));
        let mut parts = Vec::with_capacity(groups.len());
        for ((owner, places), owned) in divide(appends, groups) {
            let source = if owner == self.mesh.index {
                let outcomes = AppendOutcomes::local(owned.len());
                self.admit_of_clients(owned, &outcomes).await;
                Source::Local(outcomes)
            } else {
                Source::Remote(millrace_rt::now(), self.mesh.admit::<Append>(owner, owned).await)
            };
            parts.push(Part { places, source });
        }
        AppendTicket::new(count, parts)
    }

    /// Checks each append and queues it.
    pub(crate) fn admit(self: &Rc<Self>, appends: Vec<AppendPartition>, outcomes: &Rc<AppendOutcomes>) {
        let now = TimestampMs(millrace_rt::wall_now_ms());
        for (place, append) in appends.into_iter().enumerate() {
            let checked = self.check(append, now);
            self.queue(checked, outcomes, place);
        }
    }

    /// As `admit`, for batches of clients: one that inflates to much is validated off the shard.
    /// Appends of one partition are queued in the order of their admission all the same.
    pub(crate) async fn admit_of_clients(
        self: &Rc<Self>,
        appends: Vec<AppendPartition>,
        outcomes: &Rc<AppendOutcomes>,
    ) {
        let now = TimestampMs(millrace_rt::wall_now_ms());
        // Most requests have few.
        let mut begun = None;
        for (place, append) in appends.into_iter().enumerate() {
            if place % APPENDS_A_LOOK == APPENDS_A_LOOK - 1 {
                let now = millrace_rt::now();
                let is_long = now - *begun.get_or_insert(now) >= ADMISSION_TURN;
                if is_long || place % APPENDS_A_TURN == APPENDS_A_TURN - 1 {
                    millrace_rt::yield_now().await;
                    begun = None;
                }
            }
            self.admit_of_client(append, now, (outcomes, place));
        }
    }

    fn admit_of_client(
        self: &Rc<Self>,
        append: AppendPartition,
        now: TimestampMs,
        (outcomes, place): (&Rc<AppendOutcomes>, usize),
    ) {
        let expected = self.expect(&append, now);
        let checked = expected.and_then(|(partition, rules, codec)| {
            if self.inflating.is_under_way(append.key) {
                return Ok(None);
            }
            match to_store(append.records.clone(), &rules, codec, INFLATED_AT_ONCE) {
                Err(AppendError::Batch(BatchFault::Bomb { .. })) => Ok(None),
                stored => stored.map(|(batch, records)| Some((partition, batch, records))),
            }
        });
        match checked.transpose() {
            Some(checked) => self.queue(checked, outcomes, place),
            None => self.inflate(Unchecked { append, now, answer: (Rc::clone(outcomes), place) }),
        }
    }

    /// Has an append wait behind those of its partition that are inflated, or be the first of them.
    fn inflate(self: &Rc<Self>, unchecked: Unchecked) {
        let key = unchecked.append.key;
        let is_first = !self.inflating.is_under_way(key);
        self.inflating.push(unchecked);
        if is_first {
            millrace_rt::spawn(Rc::clone(self).inflate_all(key));
        }
    }

    async fn inflate_all(self: Rc<Self>, key: PartitionKey) {
        while let Some(Unchecked { append, now, answer: (outcomes, place) }) = self.inflating.next(key) {
            let checked = self.check_with_patience(append, now).await;
            self.queue(checked, &outcomes, place);
            millrace_rt::yield_now().await;
        }
    }

    fn queue(
        self: &Rc<Self>,
        checked: Result<Checked, AppendError>,
        outcomes: &Rc<AppendOutcomes>,
        place: usize,
    ) {
        let admitted = checked.and_then(|checked| {
            let (partition, batch, _) = &checked;
            self.producers.admit(&partition.borrow(), &batch.header)?;
            Ok(checked)
        });
        match admitted {
            Ok((partition, batch, records)) => {
                // One after another such reads would hold up all that is queued.
                self.last_blocks.resume(&partition, &mut partition.borrow_mut());
                let durability = partition.borrow().config.durability();
                let answer = (Rc::clone(outcomes), place);
                self.extents.enqueue(PendingAppend { partition, durability, batch, records, answer });
            }
            Err(error) => {
                self.counters.append.appends_refused.increment();
                outcomes.resolve(place, Err(error));
            }
        }
    }

    fn check(&self, append: AppendPartition, now: TimestampMs) -> Result<Checked, AppendError> {
        let (partition, rules, codec) = self.expect(&append, now)?;
        let (batch, records) = to_store(append.records, &rules, codec, DECOMPRESSED_BYTES_MAX)?;
        Ok((partition, batch, records))
    }

    /// Inflates what is to be inflated, on a thread of its own where that is much.
    async fn check_with_patience(
        &self,
        append: AppendPartition,
        now: TimestampMs,
    ) -> Result<Checked, AppendError> {
        let (partition, rules, codec) = self.expect(&append, now)?;
        let mut stored = to_store(append.records.clone(), &rules, codec, INFLATED_AT_ONCE);
        if matches!(stored, Err(AppendError::Batch(BatchFault::Bomb { .. }))) {
            let _turn = self.inflating.turns.turn().await;
            let work = move || to_store(append.records, &rules, codec, DECOMPRESSED_BYTES_MAX);
            stored = millrace_rt::aside(work).await;
        }
        let (batch, records) = stored?;
        Ok((partition, batch, records))
    }

    /// Whether the append may come now, what its batch is held to, and the codec that its topic wants.
    fn expect(
        &self,
        append: &AppendPartition,
        now: TimestampMs,
    ) -> Result<(PartitionRef, ValidationRules, Option<Codec>), AppendError> {
        let partition = self.table.get(append.key).ok_or(AppendError::UnknownPartition)?;
        let waiting = self.commit.waiting_bytes() + self.inflating.bytes();
        if waiting + append.records.len() > self.bounds.queue_bytes {
            self.counters.append.appends_overdue.increment();
            return Err(AppendError::Overdue);
        }
        if !self.space.admit(append.records.len()) {
            return Err(AppendError::NoSpace);
        }
        let rules = self.rules(&partition.borrow().config, append.produce_version, now);
        let codec = codec_of_type(&partition.borrow().config.compression_type);
        Ok((partition, rules, codec))
    }

    fn rules(&self, config: &TopicConfig, produce_version: i16, now: TimestampMs) -> ValidationRules {
        ValidationRules {
            now,
            validation: match self.config.produce_validation() {
                ProduceValidation::Full => Validation::Full,
                ProduceValidation::Header => Validation::Header,
            },
            max_message_bytes: (config.max_message_bytes.unsigned_abs() as usize)
                .min(self.bounds.append_bytes),
            segment_bytes: u64::from(config.segment_bytes.unsigned_abs()),
            compacted: if config.compact { Compacted::Yes } else { Compacted::No },
            timestamp_type: config.timestamp_type,
            timestamp_before_max_ms: config.timestamp_before_max_ms,
            timestamp_after_max_ms: config.timestamp_after_max_ms,
            produce_version,
        }
    }
}
