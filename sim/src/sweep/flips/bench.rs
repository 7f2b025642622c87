//! Makes the disks that get damaged, and boots a node on each damage.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use millrace_core::base::limits::BLOCK_BYTES;
use millrace_core::base::{Offset, PartitionKey, ProducerId};
use millrace_core::journal::{FrameHeader, FrameSequence};
use millrace_core::log::{BatchHeader, BatchWalk, OffsetIndex, SegmentName};
use millrace_core::meta::DecodedLog;
use millrace_rt::Gate;
use millrace_rt::world::{Crash, DiskCopy, DiskFault};
use millrace_shard::OpenError;

use super::drive::{Expected, FlipBoot, Hidden, Logs};
use super::places::{Flip, Harm, Kind, flips_of};
use crate::case::Case;
use crate::machine::{End, Machine, Progress};
use crate::sweep::drive::RecordDuty;
use crate::sweep::run::{RecordBench, run};
use crate::trial::Trial;
use crate::workload::{Volume, Workload};

/// Segments that are sealed, and active ones behind them.
const VOLUME: Volume =
    Volume { busy_bytes: 8 << 20, rare_partitions: 2, rare_batches: 3, batch_bytes_max: 150_000 };

/// Disks that a workload left, one after a clean stop and one after a power loss, and every flip of each.
pub struct FlipBench {
    workload: Rc<Workload>,
    scenes: Vec<Scene>,
}

struct Scene {
    name: &'static str,
    disk: DiskCopy,
    /// What a node serves of the undamaged disk.
    logs: Logs,
    producer_id: Option<ProducerId>,
    flips: Vec<Flip>,
}

impl FlipBench {
    pub fn new(seed: u64) -> FlipBench {
        let workload = Workload::new(seed, VOLUME);
        let quiet = run(&workload, &Case::quiet(1));
        assert_eq!(quiet.violations, Vec::<String>::new(), "without damage nothing is lost");
        let operations = quiet.operations.first().map_or(1, |operations| operations * 2 / 3);
        let left_by = |trial| {
            let mut bench = RecordBench::new(&workload, Machine::new(seed, DiskFault::None, None));
            bench.boot(RecordDuty { shards: 1, more: usize::MAX }, trial);
            bench.machine.world.disk(bench.machine.node)
        };
        let clean = scene(&workload, "clean stop", left_by(Trial::default()));
        let crashed = scene(&workload, "power loss", left_by(Trial::of_blow(operations, Crash::Power)));
        FlipBench { workload, scenes: vec![clean, crashed] }
    }

    /// How many cases there are.
    pub fn cases(&self) -> usize {
        self.scenes.iter().map(|scene| scene.flips.len()).sum()
    }

    /// The damage of one case, and the scene.
    pub fn flip(&self, case: usize) -> (&'static str, Flip) {
        let (scene, flip) = self.find(case);
        (scene.name, flip.clone())
    }

    /// Runs one case; answers what the node did wrong.
    pub fn run(&self, case: usize) -> Vec<String> {
        let (scene, flip) = self.find(case);
        let mut machine = machine(&self.workload, case as u64 + 1, &scene.disk);
        let damaged = damaged_batch(&self.workload, &machine, flip);
        let expected = Expected {
            logs: scene.logs.clone(),
            producer_id: scene.producer_id.filter(|_| !is_unvouched(&machine, flip)),
            keys: keys(&self.workload),
            damaged: damaged.map(|(key, offset, _)| (key, offset)),
            hides: damaged.map_or(Hidden::ItAlone, |(_, _, hides)| hides),
            may_end_early: flip.kind == Kind::Slot && is_unwitnessed(&machine, flip),
            ..Expected::default()
        };
        apply(&mut machine, flip);
        let expected = Rc::new(RefCell::new(expected));
        for appends in [true, false] {
            match boot(&mut machine, &expected, appends) {
                End::Closed => {}
                End::NotOpened(error) if appends => {
                    return refusal(flip, &error);
                }
                end => expected.borrow_mut().violations.push(format!("it ended so: {end:?}")),
            }
            if !expected.borrow().violations.is_empty() {
                break;
            }
        }
        expected.take().violations
    }

    fn find(&self, mut case: usize) -> (&Scene, &Flip) {
        for scene in &self.scenes {
            match scene.flips.get(case) {
                Some(flip) => return (scene, flip),
                None => case -= scene.flips.len(),
            }
        }
        panic!("there is no such case")
    }
}

/// Only where nothing else holds what the file holds may a node refuse to start; it names the file.
fn refusal(flip: &Flip, error: &OpenError) -> Vec<String> {
    let may = matches!(flip.kind, Kind::Manifest | Kind::Metadata | Kind::Slot);
    let named = error.to_string().contains(&*flip.file.to_string_lossy());
    let corrupt = matches!(
        error,
        OpenError::Corrupt(..) | OpenError::CorruptJournal { .. } | OpenError::Missing { .. }
    );
    match may && named && corrupt {
        true => Vec::new(),
        false => vec![format!("it was not opened: {error}")],
    }
}

fn keys(workload: &Workload) -> Vec<PartitionKey> {
    workload.keys().map(|(_, key)| key).collect()
}

fn machine(workload: &Workload, number: u64, disk: &DiskCopy) -> Machine {
    // Another seed each time: ids drawn anew are not those on the disk.
    let mut machine = Machine::new(workload.seed ^ (number << 32), DiskFault::None, None);
    machine.world.put_disk(machine.node, disk);
    machine
}

/// What a node serves of an undamaged disk, and every place of the disk that is damaged.
fn scene(workload: &Rc<Workload>, name: &'static str, disk: DiskCopy) -> Scene {
    let mut machine = machine(workload, 0, &disk);
    let expected = Expected { keys: keys(workload), ..Expected::default() };
    let mut flips: Vec<Flip> = Vec::new();
    for path in machine.world.files(machine.node) {
        let bytes = machine.world.durable_file(machine.node, &path).unwrap_or_default();
        if let Some(kind) = Kind::of(&path) {
            flips.extend(flips_of(kind, &path, &bytes));
        }
    }
    flips.sort_by_key(|flip| flip.kind);
    let expected = Rc::new(RefCell::new(expected));
    let end = boot(&mut machine, &expected, false);
    assert!(matches!(end, End::Closed), "an undamaged node opens: {end:?}");
    let expected = expected.borrow();
    assert_eq!(expected.violations, Vec::<String>::new(), "without damage nothing is wrong");
    Scene { name, disk, logs: expected.read.clone(), producer_id: expected.producer_id, flips }
}

fn contents(machine: &Machine, path: &Path) -> Vec<u8> {
    machine.world.durable_file(machine.node, path).unwrap_or_default()
}

/// The batch that a flip in a segment hits, and what may be lost with it.
fn damaged_batch(
    workload: &Workload,
    machine: &Machine,
    flip: &Flip,
) -> Option<(PartitionKey, Offset, Hidden)> {
    if flip.kind != Kind::Segment {
        return None;
    }
    let dir = flip.file.parent()?.file_name()?.to_string_lossy().into_owned();
    let (_, key) = workload.keys().find(|(topic, key)| format!("{}-{}", topic.name, key.partition) == dir)?;
    let bytes = contents(machine, &flip.file);
    let mut batches = BatchWalk::new(&bytes).map_while(Result::ok);
    let hit = batches.find(|batch| batch.at + batch.bytes.len() > flip.at)?;
    let hides = match flip.at - hit.at {
        // Base offset, length, magic, last offset delta.
        0..12 | 16 | 23..27 => Hidden::Later,
        _ => Hidden::ItAlone,
    };
    Some((key, hit.header.base_offset, hides))
}

/// Whether the place is in the metadata log's last change, and no entry behind it says that it was on the
/// device: then it counts as torn.
fn is_unvouched(machine: &Machine, flip: &Flip) -> bool {
    if flip.kind != Kind::Metadata {
        return false;
    }
    let bytes = contents(machine, &flip.file);
    let (log, _) = DecodedLog::survey(&bytes);
    let (before, _) = DecodedLog::survey(bytes.get(..flip.at).unwrap_or_default());
    let is_in_last = before.entries.len() + 1 == log.entries.len();
    is_in_last && log.entries.last().is_some_and(|last| !last.records.is_empty())
}

/// Whether no frame says that the one with this place was on the device: then it counts as torn.
fn is_unwitnessed(machine: &Machine, flip: &Flip) -> bool {
    let mut flushed = FrameSequence::NONE;
    let mut hit = None;
    for path in machine.world.files(machine.node).iter().filter(|path| Kind::of(path) == Some(Kind::Slot)) {
        let bytes = contents(machine, path);
        for at in (0..bytes.len()).step_by(BLOCK_BYTES) {
            let Ok((header, _)) = FrameHeader::decode(&bytes[at..]) else { continue };
            flushed = flushed.max(header.flushed);
            if *path == flip.file && (at..at + header.frame_bytes as usize).contains(&flip.at) {
                hit = Some(header.sequence);
            }
        }
    }
    hit.is_some_and(|sequence| sequence > flushed)
}

fn apply(machine: &mut Machine, flip: &Flip) {
    let at = flip.at;
    let change =
        |bytes: &mut Vec<u8>, bit: u8| bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
    let wrong = wrong_index(machine, &flip.file);
    machine.world.edit_file(machine.node, &flip.file, |bytes| match flip.harm {
        Harm::Bit(bit) | Harm::BothCheckpoints(bit) => change(bytes, bit),
        Harm::Cut => bytes.truncate(at),
        Harm::WrongIndex => *bytes = wrong,
    });
    let Harm::BothCheckpoints(bit) = flip.harm else { return };
    let is_other = |path: &PathBuf| *path != flip.file && path.parent() == flip.file.parent();
    let files = machine.world.files(machine.node).into_iter();
    let others = files.filter(|path| Kind::of(path) == Some(Kind::Checkpoint) && is_other(path));
    for other in others.collect::<Vec<_>>() {
        machine.world.edit_file(machine.node, &other, |bytes| change(bytes, bit));
    }
}

/// An index under a good checksum, of a segment without every third of the batches.
fn wrong_index(machine: &Machine, file: &Path) -> Vec<u8> {
    let segment = contents(machine, &file.with_extension("log"));
    let batches = BatchWalk::new(&segment).map_while(Result::ok);
    let base =
        file.file_name().and_then(|name| SegmentName::parse_with_suffix(&name.to_string_lossy(), ".mrindex"));
    let mut index = OffsetIndex::new(base.map_or(Offset::ZERO, |name| name.base));
    let kept = batches.enumerate().filter(|(number, _)| number % 3 != 1);
    for (_, batch) in kept {
        let base_offset = index.next_offset().unwrap_or(batch.header.base_offset);
        index.note(&BatchHeader { base_offset, ..batch.header });
    }
    index.encode()
}

fn boot(machine: &mut Machine, expected: &Rc<RefCell<Expected>>, appends: bool) -> End {
    let progress: Rc<Progress> = Rc::default();
    let (expected, shared) = (Rc::clone(expected), Rc::clone(&progress));
    machine.boot(1, Trial::default(), &progress, move |engine| {
        let boot = FlipBoot { expected, engine, progress: shared, appends, stop: Gate::new() };
        move |seat| boot.clone().serve(seat)
    })
}
