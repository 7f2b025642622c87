//! Checks every file of a data directory, and says what is damaged and what could be saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use millrace_core::base::PartitionKey;
use millrace_core::journal::{JournaledLog, RecoveredPartition};

use super::disk::{StorageDirs, ToolError, is_dir, length, names};
use super::fact::Fact;
use super::journal::{Recovered, ShardJournal};
use super::node::{Metadata, Node};
use super::partition::PartitionCheck;
use crate::directory::layout::{checkpoint_file, slot_file};
use crate::directory::manifest::Stopped;
use crate::directory::vouching::{Standing, slot_flaw};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A start would serve every record.
    Well,
    /// Some bytes are not as they were written; the facts say which.
    Damaged,
}

/// Reads a whole data directory, which no broker uses, and tells what it finds: a `damage` for each place
/// that is not as it was written, a `file` for each file, a `partition` for each log, last the `summary`.
///
/// Memory: the journals of one shard, and pieces of everything else.
pub fn verify(dirs: &StorageDirs, tell: &mut dyn FnMut(Fact)) -> Result<Verdict, ToolError> {
    let node = Node::open(dirs)?;
    let mut check = Check {
        node,
        tell,
        files: 0,
        damages: 0,
        recovered: BTreeMap::new(),
        journaled: BTreeMap::new(),
        whole: true,
    };
    check.manifest()?;
    check.metadata()?;
    check.journals()?;
    check.partitions()?;
    let Check { tell, files, damages, .. } = check;
    let verdict = if damages == 0 { Verdict::Well } else { Verdict::Damaged };
    tell(Fact::new("summary").with("files", files).with("damages", damages).with("well", damages == 0));
    Ok(verdict)
}

struct Check<'a> {
    node: Node,
    tell: &'a mut dyn FnMut(Fact),
    files: u64,
    damages: u64,
    /// What the journals say of each partition.
    recovered: BTreeMap<PartitionKey, RecoveredPartition>,
    /// What the frames of journals without a checkpoint hold of each log.
    journaled: BTreeMap<PartitionKey, JournaledLog>,
    /// Every journal could be replayed to its end.
    whole: bool,
}

impl Check<'_> {
    fn tell(&mut self, fact: Fact) {
        match fact.kind {
            "damage" => self.damages += 1,
            "file" => self.files += 1,
            _ => {}
        }
        (self.tell)(fact);
    }

    fn file(&mut self, path: &Path, holds: &'static str, state: &'static str) -> Result<(), ToolError> {
        let bytes = length(path)?.unwrap_or(0);
        self.tell(Fact::of_file("file", path).with("holds", holds).with("bytes", bytes).with("state", state));
        Ok(())
    }

    fn manifest(&mut self) -> Result<(), ToolError> {
        let path = self.node.layout.manifest();
        match self.node.manifest.clone() {
            Some(Ok(manifest)) => {
                let stopped = match manifest.stopped {
                    Stopped::Clean => "clean",
                    Stopped::Unclean => "unclean",
                };
                let fact = Fact::of_file("file", &path).with("holds", "manifest").with("state", "ok");
                let fact = fact.with("generation", manifest.generation.0).with("stopped", stopped);
                self.tell(fact.with("shards", u32::from(manifest.shards)));
            }
            Some(Err(reason)) => {
                self.whole = false;
                let saved =
                    "segments and journals are whole for themselves; which journal is the valid one is lost";
                self.tell(Fact::damage(&path, 0, reason).with("saved", saved));
            }
            None => {
                if let Some(witness) = self.node.witness_of_manifest()? {
                    self.whole = false;
                    let what = format!("the manifest is missing, though {} is there", witness.display());
                    let saved = "segments and journals are whole for themselves; which journal is the valid one is lost";
                    self.tell(Fact::damage(&path, 0, what).with("saved", saved));
                }
            }
        }
        Ok(())
    }

    fn metadata(&mut self) -> Result<(), ToolError> {
        let path = self.node.layout.metadata_log();
        let Some(metadata) = &self.node.metadata else {
            let what = "the metadata log is missing: no topic is known";
            self.tell(Fact::damage(&path, 0, what));
            return Ok(());
        };
        let (fault, torn, valid) = (metadata.fault, metadata.is_torn(), metadata.log.valid_bytes);
        let (index, counted) =
            (metadata.index(), self.node.valid_manifest().map_or(0, |manifest| manifest.metadata_index));
        let (topics, entries) = (metadata.image.topic_count(), metadata.log.entries.len());
        if let Some(fault) = fault {
            let saved = format!("{entries} entries up to byte {valid}, with {topics} topics");
            self.tell(Fact::damage(&path, fault.at, fault).with("saved", saved));
        }
        let is_short = fault.is_none() && index < counted;
        if is_short {
            let what = format!("it ends behind entry {index}; the manifest counts {counted}");
            let saved = format!("{entries} entries, with {topics} topics");
            self.tell(Fact::damage(&path, valid, what).with("saved", saved));
        }
        let state = match (fault, torn) {
            _ if is_short => "damaged",
            (Some(_), _) => "damaged",
            (None, true) => "torn",
            (None, false) => "ok",
        };
        self.file(&path, "metadata log", state)
    }

    fn journals(&mut self) -> Result<(), ToolError> {
        for (generation, shard, dir) in self.node.journal_dirs()? {
            if !is_dir(&dir) {
                self.whole = false;
                let what = "this journal is missing; is --journal-dir what millrace.journal.dir says?";
                self.tell(Fact::damage(&dir, 0, what));
                continue;
            }
            let journal = self.node.journal(generation, shard)?;
            self.journal(&journal)?;
        }
        Ok(())
    }

    fn journal(&mut self, journal: &ShardJournal) -> Result<(), ToolError> {
        self.checkpoints(journal)?;
        if let Some(corruption) = &journal.survey.corruption {
            self.whole = false;
            let file = journal.file_of(corruption);
            let saved = format!(
                "{} frames before it; {} frames behind it are whole",
                journal.survey.chain.frames.len(),
                journal.survey.whole_frames_behind
            );
            let fact = Fact::damage(&file, corruption.position as u64, corruption);
            self.tell(fact.with("frame", corruption.sequence.0).with("saved", saved));
        }
        let manifest = self.node.valid_manifest();
        if let Some(what) = &journal.ring_flaw {
            self.whole = false;
            let saved = "all that was on the device";
            self.tell(Fact::damage(&journal.ring, 0, what).with("saved", saved));
        }
        for (number, length) in journal.slots.iter().enumerate() {
            let path = slot_file(&journal.dir, number);
            if let Some(what) = manifest.as_ref().and_then(|manifest| slot_flaw(*length, manifest)) {
                self.whole = false;
                let saved = format!("{} frames of the other slots", journal.survey.chain.frames.len());
                self.tell(Fact::damage(&path, length.unwrap_or(0), what).with("saved", saved));
            } else {
                self.file(&path, "journal slot", "read")?;
            }
        }
        if let Some(key) = journal.stranger {
            let what = format!(
                "it neither has partition {} of topic {} nor says that it was deleted, though {} knows it",
                key.partition,
                key.topic,
                journal.dir.display()
            );
            self.tell(Fact::damage(&self.node.layout.metadata_log(), 0, what));
        }
        self.chain(journal);
        Ok(())
    }

    fn checkpoints(&mut self, journal: &ShardJournal) -> Result<(), ToolError> {
        let from_segments = "all: a start reads the segments instead";
        let bad: BTreeMap<PathBuf, _> = journal.bad_checkpoints().collect();
        let is_unclean =
            self.node.valid_manifest().is_some_and(|manifest| manifest.stopped == Stopped::Unclean);
        let may_be_torn = is_unclean && journal.is_whole_with_one_checkpoint();
        for number in 0..2 {
            let path = checkpoint_file(&journal.dir, number);
            match bad.get(&path) {
                // What a crash left of the next one looks like this, and a start needs it as little.
                Some(_) if may_be_torn => self.file(&path, "checkpoint", "torn")?,
                Some(fault) => {
                    let saved = match (&journal.recovered, &journal.checkpoints.newest) {
                        (Recovered::FromSegments, _) => from_segments.to_owned(),
                        (_, Some(other)) => format!("checkpoint {} of the other file is whole", other.number),
                        (_, None) => "segments and frames are whole for themselves".to_owned(),
                    };
                    self.tell(Fact::damage(&path, fault.at, fault).with("saved", saved));
                }
                None if length(&path)?.is_some() => self.file(&path, "checkpoint", "ok")?,
                None => {}
            }
        }
        if journal.lacks_checkpoints() {
            let saved = match journal.recovered {
                Recovered::FromSegments => from_segments,
                _ => "segments and frames are whole for themselves",
            };
            let what = "both checkpoints of this journal are missing";
            self.tell(Fact::damage(&checkpoint_file(&journal.dir, 0), 0, what).with("saved", saved));
        }
        Ok(())
    }

    /// What the frames of a journal give.
    fn chain(&mut self, journal: &ShardJournal) {
        let frames = &journal.survey.chain.frames;
        let mut fact = Fact::of_file("chain", &journal.dir).with("frames", frames.len());
        if let (Some(first), Some(last)) = (frames.first(), frames.last()) {
            fact = fact.with("first", first.header.sequence.0).with("last", last.header.sequence.0);
        }
        let torn = journal.survey.chain.torn.filter(|_| journal.survey.corruption.is_none());
        let from_segments = matches!(journal.recovered, Recovered::FromSegments);
        self.tell(fact.with("torn", torn.is_some()).with("from_segments", from_segments));
        match &journal.recovered {
            Recovered::Replayed(partitions) => {
                let mine = partitions.iter().map(|partition| (partition.key, partition.clone()));
                self.recovered.extend(mine);
            }
            Recovered::FromSegments => {
                self.whole = false;
                self.journaled.extend(JournaledLog::of_frames(frames));
            }
            Recovered::Contradiction(reason) => {
                self.whole = false;
                if journal.survey.corruption.is_none() && journal.checkpoints.newest.is_some() {
                    self.tell(Fact::damage(&journal.dir, 0, reason));
                }
            }
        }
        self.whole &= journal.checkpoints.newest.is_some();
    }

    fn partitions(&mut self) -> Result<(), ToolError> {
        let topics_dir = self.node.layout.topics();
        let mut dirs: BTreeSet<String> = names(&topics_dir)?.into_iter().collect();
        let nothing = Metadata::of(&[]);
        let metadata = self.node.metadata.take().unwrap_or(nothing);
        for topic in metadata.image.topics() {
            for key in topic.keys() {
                let name = format!("{}-{}", topic.name, key.partition);
                dirs.remove(&format!("{name}/"));
                // A journal that is damaged does not say where a log ends.
                let found = self.recovered.remove(&key).filter(|_| self.whole);
                let journaled = self.journaled.remove(&key).unwrap_or_default();
                let log = PartitionCheck::new(&topics_dir.join(&name), name, found, journaled);
                log.run(&mut |fact| self.tell(fact))?;
            }
        }
        for name in dirs.iter().filter_map(|name| name.strip_suffix('/')) {
            let path = topics_dir.join(name);
            let holds = match metadata.known().standing(name) {
                Standing::Known => continue,
                Standing::Deleted | Standing::SetAside => "deleted partition",
                Standing::LeftAlone => "directory that nothing knew when a start found it",
                Standing::Unknown => {
                    let what = "neither the metadata log nor a journal knows this directory";
                    let saved = "its files are left as they are: a start puts it aside under another name";
                    self.tell(Fact::damage(&path, 0, what).with("saved", saved));
                    continue;
                }
            };
            self.tell(Fact::of_file("leftover", &path).with("holds", holds));
        }
        Ok(())
    }
}
