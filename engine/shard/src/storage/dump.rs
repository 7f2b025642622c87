//! Tells what files of a data directory hold: every batch, index entry, frame,
//! checkpoint and metadata record.

use std::path::Path;

use bytes::Bytes;
use millrace_core::base::limits::BLOCK_BYTES;
use millrace_core::base::{BrokerId, Position};
use millrace_core::journal::{
    Entry, FRAME_HEADER_BYTES, Frame, FrameFault, FrameHeader, ShardCheckpoint, Span, Stretch,
};
use millrace_core::log::batch::RECORD_BATCH_OVERHEAD;
use millrace_core::log::compression::decompress;
use millrace_core::log::records::Records as RecordWalk;
use millrace_core::log::{BatchHeader, OffsetIndex, Scanned, SegmentName, TimestampType};
use millrace_core::meta::{ConfigResource, MetadataRecord, QuotaName};

use super::disk::{StorageDirs, ToolError, is_dir, length, lock_above, names, stream};
use super::fact::Fact;
use super::journal::whole;
use super::node::{Metadata, Node};
use super::partition::index_base;
use super::segment::SegmentBytes;
use crate::directory::layout::{checkpoint_file, slot_file};
use crate::directory::manifest::{Manifest, Stopped};

/// A batch whose records are told is read whole, and decompressed whole; a larger one is told without them.
const RECORDS_BYTES_MAX: usize = 256 << 20;

/// Whether a dump tells of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Batches only.
    None,
    /// Offsets, times and sizes of keys and values.
    Shape,
    /// Keys, values and headers too.
    Data,
}

/// What a dump tells.
#[derive(Debug, Clone, Copy)]
pub struct DumpOptions {
    pub records: Records,
}

type Tell<'a> = &'a mut dyn FnMut(Fact);

/// Tells the contents of a data directory, or of one of its files, in the order of the file. Damaged places
/// are told as `damage`, and the dump goes on behind them. Memory: one slot of a journal, and one batch.
pub fn dump(
    dirs: &StorageDirs,
    file: Option<&Path>,
    options: DumpOptions,
    tell: Tell<'_>,
) -> Result<(), ToolError> {
    let Some(file) = file else { return directory(dirs, options, tell) };
    let _held = lock_above(file)?;
    one(file, options, tell)
}

fn directory(dirs: &StorageDirs, options: DumpOptions, tell: Tell<'_>) -> Result<(), ToolError> {
    let node = Node::open(dirs)?;
    let layout = &node.layout;
    for path in [layout.manifest(), layout.metadata_log()] {
        if length(&path)?.is_some() {
            one(&path, options, tell)?;
        }
    }
    for (_, shard, dir) in node.journal_dirs()? {
        let manifest = node.valid_manifest();
        let beside = || vec![dir.join("ring")];
        let rings = manifest.map_or_else(beside, |manifest| manifest.ring_places(layout, shard));
        let slots = (0..).map(|slot| slot_file(&dir, slot)).take_while(|path| path.exists());
        let files = [checkpoint_file(&dir, 0), checkpoint_file(&dir, 1)].into_iter().chain(slots);
        for path in files.chain(rings).filter(|path| path.exists()) {
            one(&path, options, tell)?;
        }
    }
    let topics = layout.topics();
    for partition in names(&topics)? {
        let dir = topics.join(partition.trim_end_matches('/'));
        for name in names(&dir)?.iter().filter(|_| is_dir(&dir)) {
            if SegmentName::parse(name).is_some() || index_base(name).is_some() {
                one(&dir.join(name), options, tell)?;
            }
        }
    }
    Ok(())
}

/// What a file is, its name says.
fn one(path: &Path, options: DumpOptions, tell: Tell<'_>) -> Result<(), ToolError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(segment) = SegmentName::parse(&name) {
        return dump_segment(path, segment, options, tell);
    }
    let is_ring = name == "ring" || name.starts_with("millrace-");
    match name.as_str() {
        _ if index_base(&name).is_some() => dump_index(path, &whole(path)?, tell),
        "metadata.log" => dump_metadata(path, &whole(path)?, tell),
        "node" => dump_manifest(path, &whole(path)?, tell),
        slot if slot.starts_with("slot-") || is_ring => dump_frames(path, &whole(path)?, tell),
        checkpoint if checkpoint.starts_with("checkpoint-") => dump_checkpoint(path, &whole(path)?, tell),
        _ => return Err(ToolError::UnknownFile(path.to_path_buf())),
    }
    Ok(())
}

fn dump_segment(
    path: &Path,
    name: SegmentName,
    options: DumpOptions,
    tell: Tell<'_>,
) -> Result<(), ToolError> {
    let in_file = length(path)?.unwrap_or(0);
    tell(Fact::of_file("segment", path).with("base_offset", name.base.0).with("bytes", in_file));
    let stretches = [Stretch::InFile(in_file)];
    let segment = SegmentBytes { base: name.base, file: path, stretches: &stretches };
    let mut failure = None;
    segment.scan(|scanned| match scanned {
        Scanned::Batch { position, header, fault, .. } => {
            let fact = batch(position, &header).with("valid", fault.is_none());
            match &fault {
                Some(fault) => tell(fact.with("fault", fault.to_string())),
                None => tell(fact),
            }
            if options.records != Records::None && fault.is_none() {
                failure = records(path, position, &header, options.records, tell).err().or(failure.take());
            }
        }
        Scanned::Lost { position, to, fault, .. } => {
            tell(Fact::damage(path, position.0, fault).with("to", to.0));
        }
        Scanned::Zeros { position, to } => {
            tell(Fact::new("zeros").with("at", position.0).with("to", to.0));
        }
    })?;
    failure.map_or(Ok(()), Err)
}

fn batch(position: Position, header: &BatchHeader) -> Fact {
    let time = match header.attributes.timestamp_type() {
        TimestampType::CreateTime => "create",
        TimestampType::LogAppendTime => "log_append",
    };
    let codec = header.attributes.codec().map_or("unknown", |codec| codec.name());
    Fact::new("batch")
        .with("at", position.0)
        .with("bytes", header.size())
        .with("base_offset", header.base_offset.0)
        .with("last_offset", header.last_offset().0)
        .with("records", header.records_count)
        .with("leader_epoch", header.leader_epoch.0)
        .with("producer_id", header.producer_id.0)
        .with("producer_epoch", i32::from(header.producer_epoch.0))
        .with("base_sequence", header.base_sequence.0)
        .with("base_timestamp", header.base_timestamp.0)
        .with("max_timestamp", header.max_timestamp.0)
        .with("timestamp_type", time)
        .with("codec", codec)
        .with("transactional", header.attributes.is_transactional())
        .with("control", header.attributes.is_control())
        .with("crc", header.checksum)
}

fn records(
    path: &Path,
    Position(at): Position,
    header: &BatchHeader,
    wanted: Records,
    tell: Tell<'_>,
) -> Result<(), ToolError> {
    if header.size() > RECORDS_BYTES_MAX {
        tell(Fact::damage(path, at, "too large a batch for its records to be told"));
        return Ok(());
    }
    let mut body = Vec::with_capacity(header.size());
    let from = at + RECORD_BATCH_OVERHEAD as u64;
    stream(path, from, at + header.size() as u64, |piece| body.extend_from_slice(piece))?;
    let plain = header.attributes.codec().and_then(|codec| decompress(codec, &body, RECORDS_BYTES_MAX));
    let plain = match plain {
        Ok(plain) => plain,
        Err(fault) => {
            tell(Fact::damage(path, at, fault));
            return Ok(());
        }
    };
    for record in RecordWalk::new(&plain, header.records_count) {
        match record {
            Ok(record) => {
                let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
                let mut fact = Fact::new("record")
                    .with("offset", header.base_offset.plus(i64::from(record.offset_delta)).0)
                    .with("timestamp", header.base_timestamp.0.saturating_add(record.timestamp_delta))
                    .with("key_bytes", size(record.key))
                    .with("value_bytes", size(record.value));
                if wanted == Records::Data {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    for (name, bytes) in [("key", record.key), ("value", record.value)] {
                        fact = bytes.map(text).map_or(fact.clone(), |text| fact.with(name, text));
                    }
                }
                tell(fact);
            }
            Err(fault) => tell(Fact::damage(path, at, fault)),
        }
    }
    Ok(())
}

fn dump_index(path: &Path, bytes: &Bytes, tell: Tell<'_>) {
    match OffsetIndex::decode(bytes) {
        Ok(index) => {
            let fact = Fact::of_file("index", path).with("base_offset", index.base().0);
            let fact = fact.with("covered", index.covered()).with("entries", index.entries().len());
            tell(fact.with("max_timestamp", index.max_timestamp().0));
            for entry in index.entries() {
                let offset = index.base().plus(i64::from(entry.relative_offset));
                let fact = Fact::new("index_entry").with("offset", offset.0).with("position", entry.position);
                tell(fact.with("max_timestamp", entry.max_timestamp.0));
            }
        }
        Err(corrupt) => tell(Fact::damage(path, corrupt.at, corrupt)),
    }
}

/// Frames at every block's boundary, whole or not; stale ones of earlier laps too.
fn dump_frames(path: &Path, bytes: &Bytes, tell: Tell<'_>) {
    tell(Fact::of_file("frames", path).with("bytes", bytes.len()));
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.slice(at..);
        let frame = Frame::decode(&rest);
        let header = FrameHeader::decode(&rest).ok().map(|(header, _)| header);
        match (frame, header) {
            (Ok(frame), _) => {
                tell(frame_fact(at, &frame.header).with("valid", true));
                frame.entries.iter().for_each(|entry| tell(entry_fact(entry)));
                at += frame.header.frame_bytes as usize;
                continue;
            }
            (Err(fault), Some(header)) => {
                tell(frame_fact(at, &header).with("valid", false).with("fault", fault.to_string()));
            }
            (Err(FrameFault::NotAFrame), None) => {}
            (Err(fault), None) => tell(Fact::damage(path, at as u64, fault)),
        }
        at += BLOCK_BYTES;
    }
}

fn frame_fact(at: usize, header: &FrameHeader) -> Fact {
    let content = FRAME_HEADER_BYTES as u64 + u64::from(header.heads_bytes) + u64::from(header.payload_bytes);
    Fact::new("frame")
        .with("at", at)
        .with("bytes", header.frame_bytes)
        .with("content_bytes", content)
        .with("shard", u32::from(header.shard.0))
        .with("boot", header.boot.to_string())
        .with("sequence", header.sequence.0)
        .with("flushed", header.flushed.0)
        .with("entries", header.entry_count)
}

fn entry_fact(entry: &Entry<Bytes>) -> Fact {
    let of = |what: &'static str| {
        let key = entry.key();
        let fact = Fact::new("entry").with("what", what).with("topic_id", key.topic.to_string());
        fact.with("partition", key.partition.0)
    };
    let spanned = |what, span: &Span, bytes: u64| {
        of(what)
            .with("segment", span.segment.0)
            .with("position", span.position.0)
            .with("base_offset", span.base_offset.0)
            .with("next_offset", span.next_offset.0)
            .with("bytes", bytes)
    };
    match entry {
        Entry::Append { span, payload } => spanned("append", span, payload.len() as u64),
        Entry::Carry { span, payload } => spanned("carry", span, payload.len() as u64),
        Entry::Extent { span, length, header_bytes, payload } => {
            let behind = payload.len() as u64 - u64::from(*header_bytes);
            spanned("extent", span, length + behind)
        }
        Entry::Roll { segment, previous_length, .. } => {
            of("roll").with("segment", segment.0).with("previous_length", previous_length.0)
        }
        Entry::LogStart { offset, .. } => of("log_start").with("offset", offset.0),
        Entry::Truncate { to, segment, position, .. } => {
            of("truncate").with("to", to.0).with("segment", segment.0).with("position", position.0)
        }
        Entry::Compact { new, .. } => {
            of("compact").with("segment", new.segment.0).with("end", new.end.0).with("length", new.length.0)
        }
        Entry::Drop { .. } => of("drop"),
    }
}

fn dump_checkpoint(path: &Path, bytes: &Bytes, tell: Tell<'_>) {
    let checkpoint = match ShardCheckpoint::decode(bytes) {
        Ok(checkpoint) => checkpoint,
        Err(corrupt) => return tell(Fact::damage(path, corrupt.at, corrupt)),
    };
    let fact = Fact::of_file("checkpoint", path)
        .with("shard", u32::from(checkpoint.shard.0))
        .with("boot", checkpoint.boot.to_string())
        .with("number", checkpoint.number)
        .with("replay_from", checkpoint.replay_from.0)
        .with("through", checkpoint.through.0);
    tell(fact.with("partitions", checkpoint.partitions.len()));
    for partition in &checkpoint.partitions {
        let fact = Fact::new("checkpoint_partition")
            .with("topic_id", partition.key().topic.to_string())
            .with("partition", partition.partition)
            .with("log_start", partition.log_start_offset)
            .with("log_end", partition.log_end_offset)
            .with("high_watermark", partition.high_watermark)
            .with("segments", partition.segments.len())
            .with("last_segment", partition.last_segment().map_or(-1, |base| base.0))
            .with("position", partition.position);
        tell(fact.with("epochs", partition.epochs.len()).with("producers", partition.producers.len()));
    }
}

fn dump_metadata(path: &Path, bytes: &Bytes, tell: Tell<'_>) {
    let metadata = Metadata::of(bytes);
    let fact = Fact::of_file("metadata", path).with("bytes", metadata.bytes);
    let fact = fact.with("valid_bytes", metadata.log.valid_bytes).with("torn", metadata.is_torn());
    tell(fact.with("entries", metadata.log.entries.len()));
    for entry in &metadata.log.entries {
        let fact = Fact::new("metadata_entry").with("epoch", entry.epoch).with("index", entry.index);
        tell(fact.with("hard_index", entry.hard_index).with("records", entry.records.len()));
        for record in &entry.records {
            tell(record_fact(record));
        }
    }
    if let Some(fault) = metadata.fault {
        tell(Fact::damage(path, fault.at, fault));
    }
}

fn record_fact(record: &MetadataRecord) -> Fact {
    let of = |what: &'static str| Fact::new("metadata_record").with("what", what);
    match record {
        MetadataRecord::Cluster { cluster_id } => of("cluster").with("cluster_id", cluster_id.clone()),
        MetadataRecord::Broker { id, rack, endpoints } => {
            let named = endpoints.iter().map(|it| format!("{}://{}:{}", it.name, it.host, it.port));
            let fact = of("broker").with("id", id.0).with("rack", rack.clone().unwrap_or_default());
            fact.with("endpoints", named.collect::<Vec<_>>().join(","))
        }
        MetadataRecord::Topic { id, name } => {
            of("topic").with("topic_id", id.to_string()).with("name", name.clone())
        }
        MetadataRecord::Partition { topic, index, replicas, isr, leader, leader_epoch } => {
            let list = |ids: &[BrokerId]| ids.iter().map(BrokerId::to_string).collect::<Vec<_>>().join(",");
            of("partition")
                .with("topic_id", topic.to_string())
                .with("partition", index.0)
                .with("replicas", list(replicas))
                .with("isr", list(isr))
                .with("leader", leader.0)
                .with("leader_epoch", leader_epoch.0)
        }
        MetadataRecord::RemoveTopic { id } => of("remove_topic").with("topic_id", id.to_string()),
        MetadataRecord::Config { resource, key, value } => {
            let resource = match resource {
                ConfigResource::Topic(name) => format!("topic {name}"),
                ConfigResource::Broker(id) => format!("broker {id}"),
                ConfigResource::BrokerDefault => "every broker".to_owned(),
                ConfigResource::Group(name) => format!("group {name}"),
                ConfigResource::ClientMetrics(name) => format!("client metrics {name}"),
            };
            let fact = of("config").with("resource", resource).with("key", key.clone());
            match value {
                Some(value) => fact.with("value", value.clone()),
                None => fact.with("removed", true),
            }
        }
        MetadataRecord::ProducerIds { next } => of("producer_ids").with("next", next.0),
        MetadataRecord::ClientQuota { entity, key, value } => {
            let name = |name: &QuotaName| name.named().unwrap_or("<default>").to_owned();
            let fact = entity
                .parts()
                .fold(of("client_quota"), |fact, (kind, part)| fact.with(kind.name(), name(part)));
            match value {
                Some(value) => fact.with("key", key.name()).with("value", value.get().to_string()),
                None => fact.with("key", key.name()).with("removed", true),
            }
        }
        MetadataRecord::Features { epoch, levels } => {
            let named = levels.iter().map(|(name, level)| format!("{name}={level}"));
            of("features").with("epoch", *epoch).with("levels", named.collect::<Vec<_>>().join(","))
        }
    }
}

fn dump_manifest(path: &Path, bytes: &Bytes, tell: Tell<'_>) {
    match Manifest::decode(&String::from_utf8_lossy(bytes)) {
        Ok(manifest) => tell(
            Fact::of_file("manifest", path)
                .with("node", format!("{:016x}", manifest.node))
                .with("generation", manifest.generation.0)
                .with("boot", manifest.boot.to_string())
                .with("shards", u32::from(manifest.shards))
                .with("slots", u32::from(manifest.slots.count))
                .with("slot_bytes", manifest.slots.bytes)
                .with("metadata_index", manifest.metadata_index)
                .with("rings", manifest.rings.map(|dir| dir.display().to_string()).unwrap_or_default())
                .with("stopped_cleanly", manifest.stopped == Stopped::Clean),
        ),
        Err(reason) => tell(Fact::damage(path, 0, reason)),
    }
}
