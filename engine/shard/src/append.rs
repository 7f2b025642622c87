//! Append: what is checked before a batch is queued, and what happens to its partition when it is applied.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use millrace_core::base::config::{ProduceValidation, TimestampType as ConfiguredTime, TopicConfig};
use millrace_core::base::ids::{LeaderEpoch, Offset, PartitionKey, Position, ShardIndex, TimestampMs};
use millrace_core::journal::{Entry, Payload, Span};
use millrace_core::log::batch::{HeaderBytes, RECORD_BATCH_OVERHEAD};
use millrace_core::log::compression::DECOMPRESSED_BYTES_MAX;
use millrace_core::log::recompress::{codec_of_type, recompress};
use millrace_core::log::segments::{self, NextAppend, RollRules, SegmentAge, should_roll};
use millrace_core::log::validate::Compacted;
use millrace_core::log::{
    BatchFault, BatchHeader, Codec, ProducerBatch, ProducerVerdict, TimestampType, ValidBatch, Validation,
    ValidationRules, validate_within,
};

use crate::api::{AppendError, AppendPartition, Appended};
use crate::inflating::Unchecked;
use crate::job::{Effect, Job, Turn};
use crate::message::Ask;
use crate::partition::{Partition, PartitionRef};
use crate::shard::{Core, Shard};
use crate::tail::Growth;
use crate::ticket::{AppendTicket, Gathering, Part, Source};

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

/// What the appends of one frame amount to.
pub(crate) struct Applied {
    pub(crate) entries: Vec<Entry<Stored>>,
    /// What the entries take of the frame.
    pub(crate) sealed_bytes: usize,
    pub(crate) fills: Vec<Fill>,
    /// What happens once the frame is durable; for retries once the one before it is.
    pub(crate) effects: Vec<Effect>,
}

/// An append whose place in the tail is reserved and not filled.
pub(crate) struct Fill {
    partition: PartitionRef,
    /// Its place among the entries.
    entry: usize,
}

impl Applied {
    pub(crate) fn with_capacity(jobs: usize) -> Applied {
        Applied {
            entries: Vec::with_capacity(jobs),
            sealed_bytes: 0,
            fills: Vec::with_capacity(jobs),
            effects: Vec::with_capacity(jobs),
        }
    }

    pub(crate) fn enter(&mut self, entry: Entry<Stored>) {
        self.sealed_bytes += entry.sealed_bytes();
        self.entries.push(entry);
    }
}

/// What a frame gets of an append.
pub(crate) enum Stored {
    /// A batch as it stands in the log: the header with its offsets, and the rest as the client sent it.
    Batch(HeaderBytes, Bytes),
    /// Headers of the batches that an extent has in the segment file; or a batch that found no room there.
    Bytes(Vec<u8>),
}

impl Payload for Stored {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        match self {
            Stored::Batch(header, body) => [header.as_slice(), body].into_iter(),
            Stored::Bytes(bytes) => [bytes.as_slice(), &[]].into_iter(),
        }
    }
}

impl Shard {
    /// Admits a request's appends, in the order of the calls: each goes to its owner's queue before this returns.
    /// Waits while a lane to an owner is full.
    ///
    /// Dropping the future may leave some of the appends admitted and others not.
    pub async fn admit_append(&self, appends: Vec<AppendPartition>) -> AppendTicket {
        let count = appends.len();
        let groups = self.by_owner(appends.iter().map(|append| append.key));
        let mut parts = Vec::with_capacity(groups.len());
        for ((owner, places), owned) in divide(appends, groups) {
            let source = if owner == self.index() {
                let gathering = Gathering::local(owned.len());
                self.core().admit_of_clients(owned, &gathering).await;
                Source::Local(gathering)
            } else {
                Source::Remote(millrace_rt::now(), self.admit(owner, Ask::Append(owned)).await)
            };
            parts.push(Part { places, source });
        }
        AppendTicket::new(count, parts)
    }
}

/// Batches that inflate to more are validated off the shard: this much takes a millisecond or two. Producers bound theirs by
/// 16 KiB to 1 MiB before they compress them.
const INFLATED_AT_ONCE: u64 = 512 * 1024;

/// Appends of one request that are checked between two turns of the other tasks, and for how long: batches are walked, and
/// small ones inflated.
const APPENDS_A_TURN: usize = 1024;
/// The clock is looked at once for so many.
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

impl Core {
    /// Checks each append and queues it.
    pub(crate) fn admit(self: &Rc<Core>, appends: Vec<AppendPartition>, gathering: &Rc<Gathering>) {
        let now = TimestampMs(millrace_rt::wall_now_ms());
        for (place, append) in appends.into_iter().enumerate() {
            let checked = self.check(append, now);
            self.queue(checked, gathering, place);
        }
    }

    /// As `admit`, for batches of clients, of which one that inflates to much is validated off the shard. Appends of one
    /// partition are queued in the order of their admission all the same.
    pub(crate) async fn admit_of_clients(
        self: &Rc<Core>,
        appends: Vec<AppendPartition>,
        gathering: &Rc<Gathering>,
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
            self.admit_of_client(append, now, (gathering, place));
        }
    }

    fn admit_of_client(
        self: &Rc<Core>,
        append: AppendPartition,
        now: TimestampMs,
        (gathering, place): (&Rc<Gathering>, usize),
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
            Some(checked) => self.queue(checked, gathering, place),
            None => self.inflate(Unchecked { append, now, answer: (Rc::clone(gathering), place) }),
        }
    }

    /// Has an append wait behind those of its partition that are inflated, or be the first of them.
    fn inflate(self: &Rc<Core>, unchecked: Unchecked) {
        let key = unchecked.append.key;
        let is_first = !self.inflating.is_under_way(key);
        self.inflating.push(unchecked);
        if is_first {
            millrace_rt::spawn(Rc::clone(self).inflate_all(key));
        }
    }

    async fn inflate_all(self: Rc<Core>, key: PartitionKey) {
        while let Some(Unchecked { append, now, answer: (gathering, place) }) = self.inflating.next(key) {
            let checked = self.check_with_patience(append, now).await;
            self.queue(checked, &gathering, place);
            millrace_rt::yield_now().await;
        }
    }

    fn queue(
        self: &Rc<Core>,
        checked: Result<Checked, AppendError>,
        gathering: &Rc<Gathering>,
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
                self.resume(&partition, &mut partition.borrow_mut());
                let durability = partition.borrow().config.durability();
                let answer = (Rc::clone(gathering), place);
                self.enqueue(Job { partition, durability, batch, records, answer });
            }
            Err(error) => {
                self.counters.appends_refused.increment();
                gathering.resolve(place, Err(error));
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
        if waiting + append.records.len() > self.queue_bytes_max {
            self.counters.appends_overdue.increment();
            return Err(AppendError::Overdue);
        }
        if !self.has_space_for(append.records.len()) {
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
            max_message_bytes: (config.max_message_bytes.unsigned_abs() as usize).min(self.append_bytes_max),
            segment_bytes: u64::from(config.segment_bytes.unsigned_abs()),
            compacted: if config.compact { Compacted::Yes } else { Compacted::No },
            timestamp_type: match config.timestamp_type {
                ConfiguredTime::CreateTime => TimestampType::CreateTime,
                ConfiguredTime::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: config.timestamp_before_max_ms,
            timestamp_after_max_ms: config.timestamp_after_max_ms,
            produce_version,
        }
    }

    /// Gives a queued append its offsets and puts it into the log's tail.
    pub(crate) fn apply(self: &Rc<Core>, job: &mut Job, now: TimestampMs, applied: &mut Applied) -> Turn {
        let shared = Rc::clone(&job.partition);
        let mut partition = shared.borrow_mut();
        let bytes = job.records.len();
        let turn = self.apply_to(&mut partition, job, now, applied);
        if turn == Turn::Had {
            partition.queued_bytes -= bytes;
        }
        turn
    }

    fn apply_to(
        self: &Rc<Core>,
        partition: &mut Partition,
        job: &mut Job,
        now: TimestampMs,
        applied: &mut Applied,
    ) -> Turn {
        if partition.removed {
            job.refuse(AppendError::UnknownPartition);
            return Turn::Had;
        }
        if std::mem::take(&mut partition.unreadable) {
            job.refuse(AppendError::Storage);
            return Turn::Had;
        }
        if partition.active().needs_last_block() {
            self.resume(&job.partition, partition);
            return Turn::Blocks;
        }
        let verdict = ProducerBatch::of(&job.batch.header).map(|batch| partition.producers.check(&batch));
        match verdict {
            None | Some(ProducerVerdict::Fresh) => {}
            Some(ProducerVerdict::Duplicate(earlier)) => {
                // Kafka answers a retry with the stored batch's time, whatever clock the topic uses.
                let effect = job.effect(partition, earlier.base_offset(), earlier.timestamp);
                applied.effects.push(effect);
                return Turn::Had;
            }
            Some(ProducerVerdict::Rejected(fault)) => {
                job.refuse(fault.into());
                return Turn::Had;
            }
        }
        let base_offset = partition.log_end;
        if partition.must_roll(job, (partition.active().length(), base_offset), now) {
            let previous_length = Position(partition.active().length());
            partition.roll();
            self.counters.rolls.increment();
            self.retention.note_roll(&job.partition);
            applied.enter(Entry::Roll { key: partition.key, segment: base_offset, previous_length });
        }
        let memory = partition.active().tail.memory_bytes();
        partition.take_in(job, now, self.tails.growth(), applied);
        self.tails.grew(partition.active().tail.memory_bytes() - memory);
        self.note_grown(&job.partition, partition);
        self.count_in(partition, job);
        if job.batch.header.has_producer() {
            partition.producers.record(&job.appended_at(base_offset), base_offset, now);
        }
        let stamped = job.batch.log_append_time();
        applied.effects.push(job.effect(partition, base_offset, stamped));
        Turn::Had
    }
}

impl Core {
    /// Copies what a frame holds to the places that were reserved for it in the tails.
    pub(crate) fn fill_tails(&self, entries: &[Entry<Stored>], fills: Vec<Fill>) {
        for Fill { partition, entry } in fills {
            let Some(Entry::Append { span, payload }) = entries.get(entry) else { continue };
            if let Some(segment) = partition.borrow_mut().segment_mut(span.segment) {
                payload.pieces().for_each(|piece| segment.tail.fill(piece));
            }
        }
    }

    /// The partition's log has more: whoever writes it and whoever cleans the journal behind it will see to that.
    pub(crate) fn note_grown(&self, shared: &PartitionRef, partition: &mut Partition) {
        self.tails.note_dirty(shared, partition);
        self.unreleased.note(shared, partition);
        self.queue_flush(shared, partition);
    }

    pub(crate) fn count_in(&self, partition: &mut Partition, job: &Job) {
        let bytes = job.batch.size() as u64;
        let messages = u64::from(job.batch.header.last_offset_delta.unsigned_abs()) + 1;
        self.counters.bytes_in.add(bytes);
        self.counters.messages_in.add(messages);
        partition.traffic.bytes_in += bytes;
        partition.traffic.messages_in += messages;
    }
}

impl Job {
    /// The batch as it is to stand in the log, in two parts; the job has it no more.
    pub(crate) fn stamp(&mut self, base_offset: Offset, epoch: LeaderEpoch) -> (HeaderBytes, Bytes) {
        let header = self.batch.header_to_append(&self.records, base_offset, epoch);
        let mut body = std::mem::take(&mut self.records);
        body.truncate(self.batch.size());
        body.advance(RECORD_BATCH_OVERHEAD);
        (header, body)
    }

    /// Its header at that place. A retry is answered with the time that was stored, which under LogAppendTime is the
    /// append's.
    pub(crate) fn appended_at(&self, base_offset: Offset) -> BatchHeader {
        BatchHeader { base_offset, max_timestamp: self.batch.max_timestamp, ..self.batch.header }
    }

    pub(crate) fn refuse(&self, error: AppendError) {
        let (gathering, place) = &self.answer;
        gathering.resolve(*place, Err(error));
    }

    /// Once the frame which holds the log's end of this moment is durable, all before it is: also the earlier append
    /// that a retry asks for.
    pub(crate) fn effect(&self, partition: &Partition, base_offset: Offset, stamped: TimestampMs) -> Effect {
        Effect {
            partition: Rc::clone(&self.partition),
            durability: self.durability,
            reach: partition.log_end,
            visible: partition.end(),
            answer: (Rc::clone(&self.answer.0), self.answer.1),
            appended: Appended {
                base_offset,
                log_append_time: (stamped != TimestampMs::NONE).then_some(stamped),
                log_start_offset: partition.log_start,
            },
        }
    }
}

impl Partition {
    /// Whether the batch begins a new segment where the active one ends at `end`; an empty one always takes it.
    pub(crate) fn must_roll(&self, job: &Job, end: (u64, Offset), now: TimestampMs) -> bool {
        let active = self.active();
        let (length, log_end) = end;
        let age = match active.age {
            Some(age) => age,
            None if length == 0 => return false,
            // Of an earlier run, which did not leave its age: it counts from now on.
            None => SegmentAge { created: now, first_timestamp: TimestampMs::NONE },
        };
        let segment =
            segments::Segment { base: active.base, size: length, max_timestamp: active.max_timestamp };
        let header = &job.batch.header;
        let append = NextAppend {
            size: job.batch.size() as u64,
            last_offset: log_end.plus(i64::from(header.last_offset_delta)),
            max_timestamp: job.batch.max_timestamp,
        };
        let rules = RollRules {
            segment_bytes: u64::from(self.config.segment_bytes.unsigned_abs()),
            segment_ms: self.config.segment_ms_max(),
        };
        should_roll(&segment, age, append, &rules, now)
    }

    /// Writes offsets and epoch into the batch's header (outside its CRC), reserves its place in the tail and moves the
    /// log's end. Its entry has the job's records with that header; `fill_tails` copies them.
    fn take_in(&mut self, job: &mut Job, now: TimestampMs, growth: Growth, applied: &mut Applied) {
        let (header, body) = job.stamp(self.log_end, self.leader_epoch);
        let appended = job.appended_at(self.log_end);
        let key = self.key;
        let active = self.active_mut();
        let (segment, position) = (active.base, Position(active.length()));
        let (base_offset, next_offset) = (appended.base_offset, appended.next_offset());
        let span = Span { key, segment, position, base_offset, next_offset };
        active.tail.reserve(body.len() + header.len(), growth);
        applied.fills.push(Fill { partition: Rc::clone(&job.partition), entry: applied.entries.len() });
        applied.enter(Entry::Append { span, payload: Stored::Batch(header, body) });
        self.note_appended(&appended, position, now);
    }

    /// The log's last batch, which begins at `position` of the active segment, is this one.
    pub(crate) fn note_appended(&mut self, appended: &BatchHeader, position: Position, now: TimestampMs) {
        let active = self.active_mut();
        if active.index.covered() == position.0 {
            active.index.note(appended);
        }
        active.max_timestamp = active.max_timestamp.max(appended.max_timestamp);
        active.age.get_or_insert(SegmentAge { created: now, first_timestamp: appended.max_timestamp });
        let epoch = self.leader_epoch;
        self.epochs.assign(epoch, appended.base_offset);
        self.log_end = appended.next_offset();
    }
}
