//! Checks one partition's log: each segment with what the journal adds to it, and its index.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use millrace_core::base::{Offset, Position};
use millrace_core::journal::{CompactedSegment, JournaledLog, RecoveredPartition, Stretch};
use millrace_core::log::index::IndexEntry;
use millrace_core::log::{BatchFault, EpochLineage, OffsetIndex, Scanned, SegmentName, StoredFault};

use super::disk::{ToolError, length, names, read};
use super::fact::Fact;
use super::segment::SegmentBytes;
use crate::checkpoint::noted_start::noted_start;
use crate::directory::layout::{INDEX_SUFFIX, compacted_file, index_file, segment_file};
use crate::recovery::restore::history;

/// A partition, and what the journals say of it.
pub(super) struct PartitionCheck {
    dir: PathBuf,
    name: String,
    /// None: no journal says where the log ends; the files have to, with what its frames hold.
    found: Option<RecoveredPartition>,
    journaled: JournaledLog,
    /// Where the log begins as far as frames and its directory tell; its first segment may begin later.
    start: Offset,
    /// Files of compacted segments that a crash kept from their names.
    unnamed: BTreeMap<Offset, PathBuf>,
    /// Swaps that have come, or will come, to their end.
    swapped: Vec<CompactedSegment>,
    lineage: EpochLineage,
    /// Where the first damage begins, and the batches behind it that are whole.
    readable_to: Option<Offset>,
    whole_behind: u64,
    damages: Vec<Fact>,
}

/// One segment as it should be.
struct Expected {
    base: Offset,
    /// From its first byte on.
    stretches: Vec<Stretch>,
    /// The offset behind its last record; none if nobody knows.
    next_offset: Option<Offset>,
    /// The file may be longer: what follows is padded, or was written ahead of the journal.
    is_last: bool,
}

impl PartitionCheck {
    pub(super) fn new(
        dir: &Path,
        name: String,
        found: Option<RecoveredPartition>,
        journaled: JournaledLog,
    ) -> PartitionCheck {
        let lineage = found.as_ref().and_then(|found| history(found).ok()).map(|(lineage, _)| lineage);
        PartitionCheck {
            dir: dir.to_path_buf(),
            name,
            found,
            journaled,
            start: Offset::ZERO,
            unnamed: BTreeMap::new(),
            swapped: Vec::new(),
            lineage: lineage.unwrap_or_default(),
            readable_to: None,
            whole_behind: 0,
            damages: Vec::new(),
        }
    }

    pub(super) fn run(mut self, tell: &mut dyn FnMut(Fact)) -> Result<(), ToolError> {
        let names = names(&self.dir)?;
        let mut bases: BTreeSet<Offset> =
            names.iter().filter_map(|name| SegmentName::parse(name)).map(|name| name.base).collect();
        self.settle_swaps(&mut bases)?;
        let segments = match &self.found {
            Some(found) => self.of_journal(found)?,
            None => {
                let noted = names.iter().filter_map(|name| noted_start(name)).max();
                self.start = self.journaled.log_start_offset().max(noted.unwrap_or(Offset::ZERO));
                self.of_files(&bases)?
            }
        };
        let mut end = segments.first().map_or(Offset::ZERO, |first| first.base);
        for expected in &segments {
            end = self.segment(expected, tell)?;
        }
        let known: BTreeSet<Offset> = segments.iter().map(|segment| segment.base).collect();
        for base in bases.difference(&known) {
            let path = segment_file(&self.dir, *base);
            tell(Fact::of_file("leftover", &path).with("holds", "segment behind the log's start or end"));
        }
        self.close(tell, &segments, end);
        Ok(())
    }

    /// Sees swaps as a start would: where a crash came before any name had changed the old segments stay.
    fn settle_swaps(&mut self, bases: &mut BTreeSet<Offset>) -> Result<(), ToolError> {
        let compacted: Vec<CompactedSegment> = match &self.found {
            Some(found) => found.compacted.clone(),
            None => self.journaled.compacted().copied().collect(),
        };
        for new in compacted {
            let path = compacted_file(&self.dir, new.segment, new.number);
            let is_pending = length(&path)?.is_some();
            let merged = |base: &Offset| *base != new.segment && new.replaces(*base);
            if is_pending && bases.contains(&new.segment) {
                if let Some(found) = &mut self.found {
                    self.swapped.extend(found.undo(&new, bases.iter().copied().filter(merged)));
                }
                continue;
            }
            bases.retain(|base| !merged(base));
            self.swapped.push(new);
            if is_pending {
                bases.insert(new.segment);
                self.unnamed.insert(new.segment, path);
            }
        }
        Ok(())
    }

    /// The file of a segment.
    fn file_of(&self, base: Offset) -> PathBuf {
        self.unnamed.get(&base).cloned().unwrap_or_else(|| segment_file(&self.dir, base))
    }

    fn of_journal(&self, found: &RecoveredPartition) -> Result<Vec<Expected>, ToolError> {
        let durable = found.durable_segment.unwrap_or(Offset::NONE);
        let mut segments = Vec::new();
        for (place, &base) in found.segments.iter().enumerate() {
            let next = found.segments.get(place + 1).copied();
            let in_file = match found.told_length(base, &self.swapped) {
                Some(told) if base < durable => told,
                None if base < durable => length(&self.file_of(base))?.unwrap_or(0),
                _ if base == durable => found.durable.0,
                _ => 0,
            };
            segments.push(Expected {
                base,
                stretches: behind(in_file, journaled(found, base)),
                next_offset: Some(next.unwrap_or(found.log_end_offset)),
                is_last: false,
            });
        }
        Ok(segments)
    }

    /// As a start that reads the segments: each file up to where the journal goes on,
    /// then what the journal has.
    fn of_files(&self, bases: &BTreeSet<Offset>) -> Result<Vec<Expected>, ToolError> {
        let mut segments: Vec<Expected> = Vec::new();
        for base in self.journaled.segments(bases.iter().copied(), self.start) {
            let length = length(&self.file_of(base))?.unwrap_or(0);
            let run = self.journaled.run(base).filter(|run| run.from.0 <= length);
            let stretches = match run {
                Some(run) => behind(run.from.0, run.stretches),
                None => behind(length, Vec::new()),
            };
            if let Some(before) = segments.last_mut() {
                (before.next_offset, before.is_last) = (Some(base), false);
            }
            segments.push(Expected { base, stretches, next_offset: None, is_last: true });
        }
        Ok(segments)
    }

    /// Returns the offset behind the segment.
    fn segment(&mut self, expected: &Expected, tell: &mut dyn FnMut(Fact)) -> Result<Offset, ToolError> {
        let path = self.file_of(expected.base);
        let before = self.damages.len();
        let mut stretches = Cow::Borrowed(&expected.stretches);
        let mut in_file: u64 = stretches.iter().map(in_file_bytes).sum();
        if in_file > 0 && length(&path)?.is_none() {
            let fact = Fact::damage(&path, 0, "this segment is missing");
            self.damage(fact, expected.base);
            stretches.to_mut().retain(|stretch| matches!(stretch, Stretch::Journaled(_)));
            in_file = 0;
        }
        let length = stretches.iter().map(Stretch::length).sum();
        let bytes = SegmentBytes { base: expected.base, file: &path, stretches: &stretches };
        let mut index = self.index(expected.base, length)?;
        let mut due = expected.base;
        let end = bytes.scan(|scanned| {
            if let Some(index) = &mut index {
                index.compare(&scanned);
            }
            due = self.stretch(&path, scanned, due, expected.is_last);
        })?;
        if let Some(missing) = end.missing {
            let what = format!("the file ends here, {} bytes are missing", missing.end - missing.start);
            self.damage(Fact::damage(&path, missing.start, what), end.next_offset);
        }
        let short =
            expected.next_offset.filter(|next| end.next_offset < *next && self.damages.len() == before);
        if let Some(next) = short {
            let what = format!("records from {} up to {next} are missing at its end", end.next_offset);
            self.damage(Fact::damage(&path, length, what), end.next_offset);
        }
        if in_file > 0 {
            let state = if self.damages.len() > before { "damaged" } else { "ok" };
            let fact = Fact::of_file("file", &path).with("holds", "segment").with("bytes", in_file);
            tell(fact.with("state", state));
        }
        if let Some(index) = index {
            index.close(tell);
        }
        Ok(expected.next_offset.unwrap_or(end.next_offset))
    }

    /// Notes one stretch; returns the offset due behind it.
    fn stretch(&mut self, path: &Path, scanned: Scanned, due: Offset, is_last: bool) -> Offset {
        match scanned {
            Scanned::Batch { position, header, fault, .. } => {
                let led = self.lineage.epoch_at(header.base_offset).map(|epoch| epoch.0);
                let misled = led.filter(|led| *led != header.leader_epoch.0);
                let epoch = |expected| StoredFault::Epoch { expected, found: header.leader_epoch.0 };
                match fault.or(misled.map(epoch)) {
                    Some(fault) => self.damage(Fact::damage(path, position.0, fault), header.base_offset),
                    None if self.readable_to.is_some() => self.whole_behind += 1,
                    None => {}
                }
                header.next_offset()
            }
            // The log goes on in a journal that does not tell.
            Scanned::Zeros { .. } if is_last => due,
            Scanned::Lost { fault: StoredFault::Batch(BatchFault::Incomplete { .. }), .. } if is_last => due,
            Scanned::Lost { position, to, fault, .. } => {
                let fact = Fact::damage(path, position.0, fault).with("to", to.0);
                self.damage(fact, due);
                due
            }
            Scanned::Zeros { position, to } => {
                let fact = Fact::damage(path, position.0, "zeros where batches should be").with("to", to.0);
                self.damage(fact, due);
                due
            }
        }
    }

    fn damage(&mut self, fact: Fact, at: Offset) {
        self.readable_to.get_or_insert(at);
        self.damages.push(fact.with("partition", self.name.clone()).with("offset", at.0));
    }

    fn index(&self, base: Offset, length: u64) -> Result<Option<IndexCheck>, ToolError> {
        let path = index_file(&self.dir, base);
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let mut entries = Vec::new();
        let mut fault = None;
        match OffsetIndex::decode(&bytes) {
            Ok(index) if index.base() != base => {
                fault = Some((8, "it belongs to another segment".to_owned()))
            }
            Ok(index) if index.covered() > length => {
                fault = Some((20, format!("it covers {} bytes, the segment has {length}", index.covered())));
            }
            Ok(index) => entries = index.entries().to_vec(),
            Err(corrupt) => fault = Some((corrupt.at, corrupt.to_string())),
        }
        entries.reverse();
        Ok(Some(IndexCheck { path, base, entries, fault }))
    }

    fn close(self, tell: &mut dyn FnMut(Fact), segments: &[Expected], end: Offset) {
        let start = self.found.as_ref().map(|found| found.log_start_offset);
        let start = start.unwrap_or(segments.first().map_or(self.start, |first| first.base.max(self.start)));
        let end = self.found.as_ref().map_or(end.max(start), |found| found.log_end_offset);
        let saved = match self.readable_to {
            Some(to) => format!(
                "records of {} from {start} up to {to}; {} batches behind the first damage are whole",
                self.name, self.whole_behind
            ),
            None => String::new(),
        };
        let damaged = !self.damages.is_empty();
        for fact in self.damages {
            tell(fact.with("saved", saved.clone()));
        }
        let fact = Fact::new("partition").with("partition", self.name).with("log_start", start.0);
        let fact = fact.with("log_end", end.0).with("segments", segments.len());
        let readable = self.readable_to.unwrap_or(end);
        let state = match (damaged, &self.found) {
            (true, _) => "damaged",
            (false, None) => "files only",
            (false, Some(_)) => "ok",
        };
        tell(fact.with("readable_to", readable.0).with("state", state));
    }
}

/// Its bytes that are in the file.
fn in_file_bytes(stretch: &Stretch) -> u64 {
    match stretch {
        Stretch::InFile(length) => *length,
        Stretch::Journaled(_) => 0,
    }
}

/// A segment: the bytes that are durable in its file, and what follows them.
fn behind(durable: u64, journaled: Vec<Stretch>) -> Vec<Stretch> {
    std::iter::once(Stretch::InFile(durable)).chain(journaled).collect()
}

/// What a journal says of a segment behind its durable part: bytes of its own, and extents.
fn journaled(found: &RecoveredPartition, base: Offset) -> Vec<Stretch> {
    let tails = found.tails.iter().filter(|tail| tail.segment == base);
    let tails = tails.map(|tail| (tail.position, Stretch::Journaled(tail.bytes.clone())));
    let extents = found.extents.iter().filter(|extent| extent.segment == base);
    let extents = extents.map(|extent| (extent.position, Stretch::InFile(extent.length)));
    let mut stretches: Vec<_> = tails.chain(extents).collect();
    stretches.sort_by_key(|(position, _)| *position);
    stretches.into_iter().map(|(_, stretch)| stretch).collect()
}

/// An index beside the batches of its segment.
struct IndexCheck {
    path: PathBuf,
    base: Offset,
    /// Those not met yet, the next one last.
    entries: Vec<IndexEntry>,
    fault: Option<(u64, String)>,
}

impl IndexCheck {
    fn compare(&mut self, scanned: &Scanned) {
        let Scanned::Batch { position: Position(position), header, .. } = scanned else { return };
        let Some(entry) = self.entries.last().copied() else { return };
        if u64::from(entry.position) > *position {
            return;
        }
        self.entries.pop();
        let offset = self.base.plus(i64::from(entry.relative_offset));
        if u64::from(entry.position) != *position || offset != header.base_offset {
            let what = format!("it looks for offset {offset} at byte {}, where it is not", entry.position);
            self.fault.get_or_insert((0, what));
        }
    }

    fn close(self, tell: &mut dyn FnMut(Fact)) {
        let fact = Fact::of_file("file", &self.path).with("holds", "index");
        match self.fault {
            None => tell(fact.with("state", "ok")),
            Some((at, what)) => {
                tell(fact.with("state", "damaged"));
                let saved = "nothing is lost: the index is made anew from its segment";
                tell(Fact::damage(&self.path, at, what).with("saved", saved));
            }
        }
    }
}

/// Whether a file's name is that of an index.
pub(super) fn index_base(name: &str) -> Option<Offset> {
    SegmentName::parse_with_suffix(name, INDEX_SUFFIX).map(|name| name.base)
}
