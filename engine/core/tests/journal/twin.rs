//! A simulated shard around a journal: logs, segment files, checkpoints,
//! and what must be found after a crash.

use crate::fixture::{BOOT, Bench, SHARD, Seeded, key, start};
use crate::logs::{Log, Logs, Place, places};
use bytes::Bytes;
use millrace_core::base::{Offset, Position};
use millrace_core::journal::{
    CheckpointBounds, Checkpoints, Entry, FrameSequence, FrameWrite, JournalGeometry, Observation,
    PartitionCheckpoint, Purpose, RecoveredPartition, Replay, ShardCheckpoint, Span, UnreleasedTail,
    oldest_frame, plan_release, recover_chain, replay_from,
};
use std::collections::{BTreeMap, VecDeque};

/// One crash in so many is recovered from without checkpoints, too.
const DAMAGED_ONE_IN: usize = 5;

/// What of a partition is durable in its files.
#[derive(Clone, Copy, Debug)]
struct Released {
    durable: Place,
    /// The oldest frame with a byte that is not.
    oldest: Option<FrameSequence>,
}

/// One change, with what it needs of its own.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) entry: Entry<()>,
    pub(crate) payload: Vec<Bytes>,
}

impl Change {
    pub(crate) fn entry(&self) -> Entry<&[Bytes]> {
        let payload = &self.payload[..];
        match self.entry {
            Entry::Append { span, .. } => Entry::Append { span, payload },
            Entry::Carry { span, .. } => Entry::Carry { span, payload },
            Entry::Roll { key, segment, previous_length } => Entry::Roll { key, segment, previous_length },
            Entry::LogStart { key, offset } => Entry::LogStart { key, offset },
            Entry::Truncate { key, to, segment, position } => Entry::Truncate { key, to, segment, position },
            Entry::Drop { key } => Entry::Drop { key },
            Entry::Compact { key, new } => Entry::Compact { key, new },
            Entry::Extent { .. } => unreachable!("the twin writes no extents"),
        }
    }
}

/// How much of a write in flight reached the device at a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Torn {
    Nothing,
    Prefix(usize),
    Sectors(u64),
}

pub(crate) struct Twin {
    pub(crate) bench: Bench,
    pub(crate) random: Seeded,
    /// After every change decided on, sealed or about to be.
    pub(crate) logs: Logs,
    released: BTreeMap<i32, Released>,
    files: BTreeMap<(i32, i64), Vec<u8>>,
    /// The logs after each frame from the last hard one on.
    history: VecDeque<(FrameSequence, Logs)>,
    checkpoints: [Option<Vec<u8>>; 2],
    checkpoint_number: u64,
    /// Oldest first; without those that arrived before an older one.
    in_flight: Vec<FrameWrite>,
    /// The last frame that a write was begun for.
    begun: FrameSequence,
    pub(crate) crashes: usize,
    pub(crate) cleanings: usize,
    pub(crate) carries: usize,
    /// One in so many boundaries is crashed at.
    pub(crate) crash_odds: usize,
}

impl Twin {
    pub(crate) fn new(geometry: JournalGeometry, seed: u64, crash_odds: usize) -> Twin {
        Twin {
            bench: Bench::new(geometry),
            random: Seeded(seed),
            logs: Logs::new(),
            released: BTreeMap::new(),
            files: BTreeMap::new(),
            history: VecDeque::from([(FrameSequence::NONE, Logs::new())]),
            checkpoints: [None, None],
            checkpoint_number: 0,
            in_flight: Vec::new(),
            begun: FrameSequence::NONE,
            crashes: 0,
            cleanings: 0,
            carries: 0,
            crash_odds,
        }
    }

    /// Seals the changes that led to `self.logs` in one frame, making room first.
    pub(crate) fn commit(&mut self, changes: &[Change]) {
        let entries: Vec<Entry<&[Bytes]>> = changes.iter().map(Change::entry).collect();
        let bytes: usize = entries.iter().map(Entry::sealed_bytes).sum();
        let logs = std::mem::replace(&mut self.logs, self.history[self.history.len() - 1].1.clone());
        while self.bench.journal.room(Purpose::Append) < bytes {
            assert!(
                self.write_step() || self.clean(),
                "a journal without room has something to write or to clean"
            );
        }
        self.logs = logs;
        self.seal(&entries);
        for change in changes {
            self.release_of(change);
        }
        self.boundary();
    }

    /// Starts or completes a write, the oldest first or not; false if there is nothing to write.
    pub(crate) fn write_step(&mut self) -> bool {
        let begins = self.in_flight.is_empty() || self.random.one_in(2);
        match if begins { self.bench.journal.next_write() } else { None } {
            Some(write) => {
                self.begun = write.through;
                self.in_flight.push(write);
            }
            None if self.in_flight.is_empty() => return false,
            None => {
                let number = self.random.below(self.in_flight.len());
                let write = self.in_flight.remove(number);
                self.bench.apply(write);
                self.bench.journal.written(write.through);
                let hard = self.bench.journal.hard();
                while self.history.front().is_some_and(|(sequence, _)| *sequence < hard) {
                    self.history.pop_front();
                }
            }
        }
        self.boundary();
        true
    }

    /// Cleans the filled slots if that is due.
    pub(crate) fn clean(&mut self) -> bool {
        let Some(cleaning) = self.bench.journal.cleaning_due() else { return false };
        let spanning: Vec<i32> =
            self.released.keys().copied().filter(|number| self.spans_a_roll(*number)).collect();
        for number in spanning {
            let last = self.logs[&number].end_place().unwrap().0;
            self.flush(number, (last, 0));
        }
        let plan = plan_release(self.tails(), cleaning.through, self.bench.journal.carry_limits());
        for key in plan.flush {
            self.flush(key.partition.0, self.logs[&key.partition.0].end_place().unwrap());
        }
        let carries: Vec<i32> = plan.carry.iter().map(|key| key.partition.0).collect();
        self.carry(&carries);
        self.checkpoint();
        self.bench.journal.slots_released(cleaning);
        self.cleanings += 1;
        self.boundary();
        true
    }

    fn tails(&self) -> Vec<UnreleasedTail> {
        let tail = |(number, released): (&i32, &Released)| {
            let bytes = self.logs[number].bytes_from(released.durable);
            Some(UnreleasedTail { key: key(*number), bytes, oldest: released.oldest? })
        };
        self.released.iter().filter_map(tail).collect()
    }

    fn spans_a_roll(&self, number: i32) -> bool {
        self.logs[&number].end_place().is_some_and(|(segment, _)| segment != self.released[&number].durable.0)
    }

    fn seal(&mut self, entries: &[Entry<&[Bytes]>]) -> FrameSequence {
        let mut writes: Vec<(usize, Vec<u8>)> = Vec::new();
        let frame =
            self.bench.journal.seal(entries, &mut |at, bytes| writes.push((at, bytes.to_vec()))).unwrap();
        // The process may end between any two bytes of the copy.
        let complete = self.random.below(writes.len());
        for (number, (at, bytes)) in writes.iter().enumerate() {
            let cut = self.random.below(bytes.len());
            self.bench.ring[*at..at + cut].copy_from_slice(&bytes[..cut]);
            if number == complete && cut > 0 && number + 1 < writes.len() {
                self.boundary();
            }
            self.bench.ring[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        self.history.push_back((frame.sequence, self.logs.clone()));
        frame.sequence
    }

    /// Keeps the account of what is durable where, after a change was sealed.
    fn release_of(&mut self, change: &Change) {
        let number = change.entry.key().partition.0;
        let sealed = self.bench.journal.sealed();
        match change.entry {
            Entry::Append { span, .. } => {
                let begin = Released { durable: (span.segment.0, 0), oldest: None };
                let released = self.released.entry(number).or_insert(begin);
                released.oldest = released.oldest.or(Some(sealed));
            }
            Entry::Truncate { segment, position, .. } => {
                if let Some(released) = self.released.get_mut(&number) {
                    released.durable = released.durable.min((segment.0, position.0 as usize));
                }
            }
            Entry::LogStart { .. } => {
                let first = self.logs.get(&number).and_then(|log| log.segments.first_key_value());
                if let (Some(released), Some((first, _))) = (self.released.get_mut(&number), first) {
                    released.durable = released.durable.max((*first, 0));
                }
            }
            Entry::Drop { .. } => {
                self.released.remove(&number);
                while self.write_step() {}
                self.files.retain(|(partition, _), _| *partition != number);
            }
            _ => {}
        }
    }

    /// Makes a partition durable in its files up to `end`.
    fn flush(&mut self, number: i32, end: Place) {
        while self.write_step() {}
        let (log, released) = (&self.logs[&number], self.released.get_mut(&number).unwrap());
        for (segment, bytes) in log.segments.range(released.durable.0..=end.0) {
            let from = if *segment == released.durable.0 { released.durable.1 } else { 0 };
            let to = if *segment == end.0 { end.1 } else { bytes.len() };
            let file = self.files.entry((number, *segment)).or_default();
            file.resize(file.len().max(to), 0);
            file[from..to].copy_from_slice(&bytes[from..to]);
        }
        released.durable = end;
        if log.end_place() == Some(end) {
            released.oldest = None;
        }
        self.boundary();
    }

    fn carry(&mut self, numbers: &[i32]) {
        let mut pending: Vec<(i32, Change)> = Vec::new();
        for number in numbers {
            let change = self.carry_of(*number);
            let bytes: usize = pending.iter().map(|(_, one)| one.entry().sealed_bytes()).sum();
            if !pending.is_empty()
                && bytes + change.entry().sealed_bytes() > self.bench.journal.room(Purpose::Carry)
            {
                self.seal_carries(&mut pending);
            }
            pending.push((*number, change));
        }
        self.seal_carries(&mut pending);
    }

    fn seal_carries(&mut self, pending: &mut Vec<(i32, Change)>) {
        let entries: Vec<Entry<&[Bytes]>> = pending.iter().map(|(_, change)| change.entry()).collect();
        let bytes: usize = entries.iter().map(Entry::sealed_bytes).sum();
        if bytes == 0 {
            return;
        }
        while self.bench.journal.room(Purpose::Carry) < bytes {
            assert!(self.write_step(), "what was planned to be carried has room once the ring is written");
        }
        let sequence = self.seal(&entries);
        self.carries += entries.len();
        for (number, _) in pending.drain(..) {
            self.released.get_mut(&number).unwrap().oldest = Some(sequence);
        }
        self.boundary();
    }

    fn carry_of(&self, number: i32) -> Change {
        let (log, released) = (&self.logs[&number], self.released[&number]);
        let (segment, position) = released.durable;
        let bytes = Bytes::copy_from_slice(&log.segments[&segment][position..]);
        let base = log
            .batches
            .iter()
            .rev()
            .find(|(_, place)| *place <= released.durable)
            .map_or(0, |(base, _)| *base);
        let span = Span {
            key: key(number),
            segment: Offset(segment),
            position: Position(position as u64),
            base_offset: Offset(base),
            next_offset: Offset(log.end),
        };
        Change { entry: Entry::Carry { span, payload: () }, payload: vec![bytes] }
    }

    /// Takes the state of the moment and writes it once its frames are hard.
    fn checkpoint(&mut self) {
        let sealed = self.bench.journal.sealed();
        self.checkpoint_number += 1;
        let checkpoint = ShardCheckpoint {
            shard: SHARD,
            boot: BOOT,
            number: self.checkpoint_number,
            replay_from: replay_from(self.tails(), sealed),
            through: sealed,
            partitions: self
                .logs
                .iter()
                .map(|(number, log)| self.partition_checkpoint(*number, log))
                .collect(),
        };
        while self.bench.journal.hard() < sealed {
            self.write_step();
        }
        let bytes = checkpoint.encode();
        let file = Checkpoints::file_of(self.checkpoint_number);
        let cut = self.random.below(bytes.len());
        self.checkpoints[file] = Some(bytes[..cut].to_vec());
        self.boundary();
        self.checkpoints[file] = Some(bytes);
        self.boundary();
    }

    fn partition_checkpoint(&self, number: i32, log: &Log) -> PartitionCheckpoint {
        let (segment, position) =
            self.released.get(&number).map_or((i64::MAX, 0), |released| released.durable);
        PartitionCheckpoint {
            topic: key(number).topic.0,
            partition: number,
            log_start_offset: log.start,
            segments: log.segments.keys().copied().filter(|one| *one <= segment).collect(),
            position: position as u64,
            facts: Vec::new(),
            log_end_offset: log.end,
            high_watermark: log.end,
            epochs: log.batches.iter().map(|(base, _)| (0, *base)).collect(),
            producers: Vec::new(),
        }
    }

    /// A moment at which the machine may stop.
    pub(crate) fn boundary(&mut self) {
        if !self.random.one_in(self.crash_odds) {
            return;
        }
        self.crashes += 1;
        let mut outcomes = vec![vec![Torn::Nothing; self.in_flight.len()]];
        if !self.in_flight.is_empty() {
            let writes = self.in_flight.clone();
            let mut each = |torn: fn(&mut Seeded, usize) -> Torn| {
                outcomes.push(writes.iter().map(|write| torn(&mut self.random, write.len)).collect());
            };
            each(|random, len| Torn::Prefix(random.below(len / 512) * 512));
            each(|_, len| Torn::Prefix(len));
            each(|random, _| Torn::Sectors(random.next()));
            each(|random, len| if random.one_in(2) { Torn::Nothing } else { Torn::Prefix(len) });
        }
        for torn in outcomes {
            self.recover(&torn, None);
            self.recover(&torn, Some(self.bench.ring_file()));
        }
    }

    /// Recovers from what a crash leaves now, and compares with the logs as they were.
    fn recover(&self, torn: &[Torn], ring: Option<Bytes>) {
        let chosen = Checkpoints::choose(self.checkpoints.each_ref().map(|file| file.as_deref()));
        let mut replay = Replay::new(chosen.newest);
        let slots = self.slots_after(torn);
        let chain = recover_chain(start(replay.from().0), &slots, ring.as_ref()).unwrap();
        let last =
            chain.frames.last().map_or(FrameSequence(replay.from().0 - 1), |frame| frame.header.sequence);
        for frame in &chain.frames {
            replay.apply(frame).unwrap();
        }
        if self.crashes.is_multiple_of(DAMAGED_ONE_IN) {
            self.recover_without_checkpoints(torn, &slots, ring.as_ref(), replay.from(), last);
        }
        let (hard, sealed) = (self.bench.journal.hard(), self.bench.journal.sealed());
        let known_to_history = self.history.back().map_or(hard, |(sequence, _)| *sequence);
        // A frame is found from the moment its last byte is in the ring.
        if ring.is_some() {
            assert!(last == known_to_history || last == sealed, "all that was sealed: {last} of {sealed}");
        } else if torn.first().is_none_or(|oldest| *oldest == Torn::Nothing) {
            assert_eq!(last, hard, "all that is hard, whatever came behind a hole");
        } else {
            assert!(hard <= last && last <= self.begun, "{hard} <= {last} <= {}", self.begun);
        }
        if let Some((_, logs)) = self.history.iter().find(|(sequence, _)| *sequence == last) {
            self.compare(logs, &replay.finish().unwrap());
        }
    }

    /// The same crash where the content of the checkpoints is damaged, and where their headers are, too: the
    /// chain has every frame from `needed` to `last`.
    fn recover_without_checkpoints(
        &self,
        torn: &[Torn],
        slots: &[Bytes],
        ring: Option<&Bytes>,
        needed: FrameSequence,
        last: FrameSequence,
    ) {
        let files = self.checkpoints.each_ref().map(|file| file.as_deref());
        let bounds = CheckpointBounds::of(files, SHARD, BOOT);
        let from = oldest_frame(SHARD, BOOT, slots, ring, bounds).unwrap();
        let mut begins = vec![from];
        match oldest_frame(SHARD, BOOT, slots, ring, CheckpointBounds::default()) {
            Ok(from) => begins.push(from),
            // Nothing tells a slot whose first new frames are torn from one in which frames that are needed
            // are damaged.
            Err(_) => assert!(
                std::iter::zip(torn, &self.in_flight)
                    .any(|(torn, write)| *torn != Torn::Nothing && write.slot_at == 0)
            ),
        }
        for from in begins {
            assert!(from <= needed, "{from}, and {needed} is needed");
            let chain = recover_chain(start(from.0), slots, ring).unwrap();
            let found = chain.frames.last().map_or(FrameSequence(from.0 - 1), |frame| frame.header.sequence);
            assert_eq!(found, last, "from {from}");
        }
    }

    fn slots_after(&self, torn: &[Torn]) -> Vec<Bytes> {
        let mut slots = self.bench.slots.clone();
        for (torn, write) in std::iter::zip(torn, &self.in_flight) {
            let bytes = &self.bench.ring[write.ring_at..write.ring_at + write.len];
            let slot = &mut slots[write.slot][write.slot_at..write.slot_at + write.len];
            for (sector, (to, from)) in slot.chunks_mut(512).zip(bytes.chunks(512)).enumerate() {
                let arrived = match torn {
                    Torn::Nothing => false,
                    Torn::Prefix(length) => sector * 512 < *length,
                    Torn::Sectors(seed) => Seeded(seed.wrapping_add(sector as u64)).one_in(2),
                };
                if arrived {
                    to.copy_from_slice(from);
                }
            }
        }
        slots.into_iter().map(Bytes::from).collect()
    }

    fn compare(&self, logs: &Logs, recovered: &[RecoveredPartition]) {
        let numbers: Vec<i32> = recovered.iter().map(|partition| partition.key.partition.0).collect();
        assert_eq!(numbers, logs.keys().copied().collect::<Vec<_>>());
        for partition in recovered {
            let log = &logs[&partition.key.partition.0];
            assert_eq!(self.rebuilt(log, partition), *log, "{}", partition.key);
            assert_eq!(log.end_place().map_or(0, |(_, end)| end as u64), partition.end.0);
        }
    }

    /// The log that checkpoint, files and tails give.
    fn rebuilt(&self, log: &Log, partition: &RecoveredPartition) -> Log {
        let number = partition.key.partition.0;
        let mut segments: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
        let durable = partition.durable_segment.map_or(i64::MIN, |segment| segment.0);
        for segment in &partition.segments {
            let file = self.files.get(&(number, segment.0)).cloned().unwrap_or_default();
            let known = if segment.0 < durable {
                // Its length is in no checkpoint: it is its file's.
                log.segments.get(&segment.0).map_or(0, Vec::len)
            } else if segment.0 == durable {
                partition.durable.0 as usize
            } else {
                0
            };
            assert!(known <= file.len(), "segment {segment} is durable up to {known} of {}", file.len());
            segments.insert(segment.0, file[..known].to_vec());
        }
        for piece in &partition.tails {
            let bytes = segments.get_mut(&piece.segment.0).unwrap();
            assert_eq!(bytes.len() as u64, piece.position.0);
            bytes.extend_from_slice(&piece.bytes);
        }
        let mut bases: Vec<i64> = partition.epochs.iter().map(|(_, base)| base.0).collect();
        for observation in &partition.observed {
            match observation {
                Observation::Append { base_offset, next_offset, .. } => {
                    bases.extend(base_offset.0..next_offset.0)
                }
                Observation::Truncate { to } => bases.retain(|base| *base < to.0),
                Observation::Extent { .. } => unreachable!("the twin writes no extents"),
            }
        }
        let (start, end) = (partition.log_start_offset.0, partition.log_end_offset.0);
        Log { start, end, batches: places(&bases, &segments), segments }
    }
}
