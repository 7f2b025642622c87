//! Damages journal frames behind the node's back: a torn last frame gives the prefix before it,
//! a damaged earlier one is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::limits::BLOCK_BYTES;
use millrace_core::base::{Offset, PartitionKey};
use millrace_core::journal::{Entry, FRAME_HEADER_BYTES, Frame};
use millrace_rt::world::{Crash, DiskCopy, DiskFault};
use millrace_shard::OpenError;

use super::drive::RecordDuty;
use super::run::{RecordBench, run};
use crate::case::Case;
use crate::machine::{End, Machine};
use crate::promises::PromiseLedger;
use crate::trial::Trial;
use crate::workload::{Volume, Workload};

/// What is done to a frame from a byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// This byte and all behind it are zero, as if never written.
    Cut,
    /// This byte is zero.
    Zero,
    /// One bit of this byte is flipped.
    Garble,
}

/// A small workload that lost power at two thirds of its way; what it left gets another damage each time.
pub struct DamageBench {
    workload: Rc<Workload>,
    disk: DiskCopy,
    ledger: PromiseLedger,
    frames: Vec<Placed>,
}

/// A whole frame and where it stands.
struct Placed {
    slot: PathBuf,
    position: usize,
    frame: Frame,
}

impl Placed {
    /// Bytes that mean something; behind them is padding.
    fn content_bytes(&self) -> usize {
        let header = &self.frame.header;
        FRAME_HEADER_BYTES + header.heads_bytes as usize + header.payload_bytes as usize
    }

    fn bytes(&self) -> usize {
        self.frame.header.frame_bytes as usize
    }

    fn appends(&self) -> impl Iterator<Item = (PartitionKey, Offset, Offset)> {
        self.frame.entries.iter().filter_map(|entry| match entry {
            Entry::Append { span, .. } => Some((span.key, span.base_offset, span.next_offset)),
            _ => None,
        })
    }
}

impl DamageBench {
    pub fn new(seed: u64) -> DamageBench {
        let workload = Workload::new(seed, Volume::SMALL);
        let quiet = run(&workload, &Case::quiet(1));
        assert_eq!(quiet.violations, Vec::<String>::new(), "without damage nothing is lost");
        let operation = quiet.operations.first().map_or(1, |operations| operations * 2 / 3);
        let mut bench = RecordBench::new(&workload, healthy(seed));
        bench.boot(RecordDuty { shards: 1, more: usize::MAX }, Trial::of_blow(operation, Crash::Power));
        let frames = frames_of(&bench);
        // What stands behind the last whole frame is wiped.
        let last = frames.last().map_or(0, |last| last.frame.header.sequence.0);
        for (slot, position) in later_headers(&bench, last) {
            bench.machine.world.edit_file(bench.machine.node, &slot, |bytes| {
                bytes[position..position + BLOCK_BYTES].fill(0)
            });
        }
        let ledger = bench.ledger.borrow().clone();
        DamageBench { workload, disk: bench.machine.world.disk(bench.machine.node), ledger, frames }
    }

    /// Bytes of the last whole frame, its padding too.
    pub fn last_frame_bytes(&self) -> usize {
        self.frames.last().map_or(0, Placed::bytes)
    }

    /// Frames that a later one says were on the device.
    pub fn acknowledged_frames(&self) -> usize {
        acknowledged(&self.frames)
    }

    /// Damages byte `at` of the last frame; answers what the recovery did wrong,
    /// or nothing where the byte was so before.
    pub fn damage_last(&self, damage: Damage, at: usize) -> Option<Vec<String>> {
        let mut bench = self.crashed(at as u64);
        let Some(last) = self.frames.last() else { return Some(vec!["no frame".to_owned()]) };
        if !apply(&mut bench, last, damage, at) {
            return None;
        }
        let padding = at >= last.content_bytes();
        let kept = self.frames.len() - usize::from(!padding);
        let mut ends: BTreeMap<PartitionKey, Offset> =
            self.workload.keys().map(|(_, key)| (key, Offset::ZERO)).collect();
        for (key, _, next) in self.frames.iter().take(kept).flat_map(Placed::appends) {
            ends.insert(key, next);
        }
        bench.ledger.borrow_mut().expect_ends(ends);
        let end = bench.boot(RecordDuty { shards: 1, more: 2 }, Trial::default());
        let mut violations = bench.ledger.borrow().verdict.violations.clone();
        if !matches!(end, End::Closed) {
            violations.push(format!("it ended so: {end:?}"));
        }
        Some(violations)
    }

    /// Garbles byte `at` of frame `number`, which a later one says was on the device: the node must not open.
    pub fn garble_earlier(&self, number: usize, at: usize) -> Vec<String> {
        let mut bench = self.crashed(number as u64);
        let frame = &self.frames[number % acknowledged(&self.frames)];
        apply(&mut bench, frame, Damage::Garble, at % frame.content_bytes());
        match bench.boot(RecordDuty { shards: 1, more: 0 }, Trial::default()) {
            // It says where, and what to do.
            End::NotOpened(OpenError::CorruptJournal { file, reason, .. })
                if file == frame.slot && reason.contains(&format!("byte {} of slot", frame.position)) =>
            {
                Vec::new()
            }
            end => vec![format!("frame {number} was garbled at {at}, and it ended so: {end:?}")],
        }
    }

    /// A node with the disk that the power loss left.
    fn crashed(&self, number: u64) -> RecordBench {
        // Another seed than the first run's: ids drawn anew are not those on the disk.
        let mut machine = healthy(self.workload.seed ^ (number + 1) << 32);
        machine.world.put_disk(machine.node, &self.disk);
        let bench = RecordBench::new(&self.workload, machine);
        *bench.ledger.borrow_mut() = self.ledger.clone();
        bench
    }
}

fn healthy(seed: u64) -> Machine {
    Machine::new(seed, DiskFault::None, None)
}

fn slots_of(bench: &RecordBench) -> Vec<(PathBuf, Bytes)> {
    let files = bench.machine.world.files(bench.machine.node).into_iter();
    let is_slot =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("slot-"));
    let durable = |path: PathBuf| {
        let bytes = bench.machine.world.durable_file(bench.machine.node, &path)?;
        Some((path, Bytes::from(bytes)))
    };
    files.filter(is_slot).filter_map(durable).collect()
}

/// The whole frames from the first on, without a hole.
fn frames_of(bench: &RecordBench) -> Vec<Placed> {
    let mut found: BTreeMap<u64, Placed> = BTreeMap::new();
    for (slot, bytes) in slots_of(bench) {
        for position in (0..bytes.len()).step_by(BLOCK_BYTES) {
            if let Ok(frame) = Frame::decode(&bytes.slice(position..)) {
                found.insert(frame.header.sequence.0, Placed { slot: slot.clone(), position, frame });
            }
        }
    }
    found
        .into_iter()
        .zip(1..)
        .take_while(|((sequence, _), expected)| sequence == expected)
        .map(|((_, it), _)| it)
        .collect()
}

/// Places of frame headers with a higher sequence: of frames that were never whole.
fn later_headers(bench: &RecordBench, last: u64) -> Vec<(PathBuf, usize)> {
    let mut later = Vec::new();
    for (slot, bytes) in slots_of(bench) {
        for position in (0..bytes.len()).step_by(BLOCK_BYTES) {
            let header = millrace_core::journal::FrameHeader::decode(&bytes[position..]);
            if header.is_ok_and(|(header, _)| header.sequence.0 > last) {
                later.push((slot.clone(), position));
            }
        }
    }
    later
}

fn acknowledged(frames: &[Placed]) -> usize {
    let flushed = frames.iter().map(|placed| placed.frame.header.flushed.0).max().unwrap_or(0);
    assert!(flushed > 0, "the workload has frames that were hard before others were sealed");
    flushed as usize
}

/// False if nothing changes.
fn apply(bench: &mut RecordBench, placed: &Placed, damage: Damage, at: usize) -> bool {
    let (begin, at) = (placed.position, placed.position + at);
    let end = begin + placed.bytes();
    let mut changed = false;
    bench.machine.world.edit_file(bench.machine.node, &placed.slot, |bytes| {
        let before = bytes[begin..end].to_vec();
        match damage {
            Damage::Cut => bytes[at..end].fill(0),
            Damage::Zero => bytes[at] = 0,
            Damage::Garble => bytes[at] ^= 0x10,
        }
        changed = before != bytes[begin..end];
    });
    changed
}
