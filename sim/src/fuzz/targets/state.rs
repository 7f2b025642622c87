//! Files of a node's state: checkpoints, the manifest, the metadata log, segment indexes.

use millrace_core::base::config::SecurityProtocol;
use millrace_core::base::{BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerId, TimestampMs, TopicId};
use millrace_core::journal::{
    CheckpointBounds, Checkpoints, FrameSequence, PartitionCheckpoint, ProducerBatchCheckpoint,
    ProducerCheckpoint, SegmentFacts, ShardCheckpoint,
};
use millrace_core::log::{BatchHeader, OffsetIndex};
use millrace_core::meta::{
    ConfigResource, DecodedLog, Endpoint, MetadataEntry, MetadataImage, MetadataRecord, QuotaEntity,
    QuotaKey, QuotaName, QuotaValue,
};
use millrace_shard::Manifest;

use super::batch;
use super::journal::{BOOT, SHARD};
use crate::chance::Chance;
use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

pub(in crate::fuzz) const CHECKPOINT: Target = Target {
    name: "checkpoint",
    decoders: &["checkpoint::decode", "checkpoint::decode_fields", "checkpoint::choose", "checkpoint::of"],
    golden: || {
        let mut bytes = golden::from_hex(&golden::texts("engine/core/tests/journal/checkpoint.hex").concat());
        bytes.resize(4096, 0);
        vec![bytes]
    },
    generate: |chance| checkpoint(chance).encode(),
    fields: |bytes| {
        let header = [(8, 2), (24, 8), (32, 8), (40, 8), (48, 8)].map(|(at, width)| Field::little(at, width));
        // Relative pointers and lengths of the archived lists.
        let content = 64..bytes.len().min(64 + number(bytes, 48).min(4096) as usize);
        header.into_iter().chain(content.step_by(4).map(|at| Field::little(at, 4))).collect()
    },
    repair: |bytes| {
        let end = 64usize.saturating_add(number(bytes, 48) as usize);
        let content = crc32c::crc32c(bytes.get(64..end).unwrap_or_default());
        put(bytes, 56, content);
        let header = crc32c::crc32c(bytes.get(..60).unwrap_or_default());
        put(bytes, 60, header);
    },
    check: check_checkpoint,
    ..Target::PLAIN
};

pub(in crate::fuzz) const MANIFEST: Target = Target {
    name: "manifest",
    decoders: &["manifest::decode"],
    generate: |chance| {
        let clean = if chance.one_in(2) { "clean" } else { "unclean" };
        let (node, generation, shards) =
            (chance.below(u64::MAX), chance.below(1 << 40), chance.below(1 << 16));
        let (slots, slot_bytes) = (chance.below(9), chance.below(1 << 32));
        let [boot, index, device, inode] = [0; 4].map(|_: u64| chance.below(u64::MAX));
        let rings = if chance.one_in(2) { "/dev/shm" } else { "" };
        let mut text = format!(
            "millrace-node-2\nnode={node:016x}\ngeneration={generation}\nboot={boot:016x}\nshards={shards}\n\
             slots={slots}\nslot-bytes={slot_bytes}\nmetadata-index={index}\ndirectory={device}:{inode}\n\
             rings={rings}\nring-bytes=16777216\nmemory=life {slots}\ndurability=process\nstopped={clean}\n"
        )
        .into_bytes();
        text.extend_from_slice(b"checksum=00000000\n");
        repair_manifest(&mut text);
        text
    },
    repair: repair_manifest,
    check: check_manifest,
    ..Target::PLAIN
};

pub(in crate::fuzz) const METADATA_LOG: Target = Target {
    name: "metadata_log",
    decoders: &[
        "log::decode",
        "record::decode",
        "record::decode_broker",
        "record::decode_brokers",
        "record::decode_quota",
        "record::decode_features",
        "record::decode_resource",
        "record::decode_setting",
        "image::apply_all",
        "listeners::from_code",
    ],
    generate: |chance| {
        let mut bytes = Vec::new();
        for entry in entries(chance) {
            entry.encode(&mut bytes);
            bytes.resize(bytes.len() + chance.below(8) as usize, 0);
        }
        bytes
    },
    fields: |bytes| {
        let entries = entry_places(bytes).into_iter();
        entries
            .flat_map(|at| {
                [(4, 4), (16, 8), (24, 8), (32, 4), (36, 2), (38, 2), (40, 4), (44, 4)]
                    .map(|(field, width)| Field::little(at + field, width))
            })
            .collect()
    },
    repair: |bytes| {
        for at in entry_places(bytes) {
            let end = (at + 36).saturating_add(number(bytes, at + 4) as u32 as usize);
            let checksum = crc32c::crc32c(bytes.get(at + 12..end).unwrap_or_default());
            put(bytes, at + 8, checksum);
        }
    },
    check: check_metadata_log,
    ..Target::PLAIN
};

pub(in crate::fuzz) const OFFSET_INDEX: Target = Target {
    name: "offset_index",
    decoders: &["index::decode", "index::take_entries"],
    generate: |chance| {
        let mut index = OffsetIndex::new(Offset(500));
        let mut next = Offset(500);
        let header = BatchHeader::parse(&batch::batch(millrace_core::log::Codec::None, chance));
        let Ok(header) = header else { unreachable!("a good batch has a header") };
        for _ in 0..chance.below(20) {
            let length = 100 + chance.below(100_000) as i32;
            let max_timestamp = TimestampMs(chance.below(1000) as i64 - 1);
            let header = BatchHeader { base_offset: next, length, max_timestamp, ..header };
            index.note(&header);
            next = header.next_offset();
        }
        index.encode()
    },
    fields: |bytes| {
        let head = [(8, 4), (12, 8), (20, 8), (28, 8)].map(|(at, width)| Field::little(at, width));
        let entries = (36..bytes.len()).step_by(4).map(|at| Field::little(at, 4));
        head.into_iter().chain(entries).collect()
    },
    repair: |bytes| {
        let Some(end) = bytes.len().checked_sub(4) else { return };
        let checksum = crc32c::crc32c(bytes.get(..end).unwrap_or_default());
        put(bytes, end, checksum);
    },
    check: check_offset_index,
    ..Target::PLAIN
};

/// Content is copied once to be aligned; the smallest partition and its lists take about as much memory as
/// bytes.
const CHECKPOINT_MEMORY: Bound = Bound { per_byte: 16, fixed: 4096 };
/// The text of an error.
const MANIFEST_MEMORY: Bound = Bound { per_byte: 2, fixed: 4096 };
/// Records of eight bytes and more become values of about a hundred, in lists that double.
const METADATA_MEMORY: Bound = Bound { per_byte: 64, fixed: 4096 };
/// Entries as they stand in the file.
const INDEX_MEMORY: Bound = Bound { per_byte: 1, fixed: 64 };

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |raw| u64::from_le_bytes(*raw))
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = number.to_le_bytes();
    }
}

/// What was decoded without forgery is one of the sources.
fn check_known<T: PartialEq>(
    input: &Input<'_>,
    value: &T,
    decode: impl Fn(&[u8]) -> Option<T>,
) -> Result<(), String> {
    let sources = input.sources();
    let is_known = sources.is_empty() || sources.iter().any(|source| decode(source).as_ref() == Some(value));
    promise(is_known, || "damage is not noticed".to_owned())
}

fn checkpoint(chance: &mut Chance) -> ShardCheckpoint {
    let producer = |chance: &mut Chance| ProducerCheckpoint {
        id: chance.below(100) as i64,
        epoch: chance.below(9) as i16,
        last_timestamp: chance.below(1000) as i64,
        batches: (0..chance.below(4))
            .map(|first| ProducerBatchCheckpoint {
                first_sequence: first as i32,
                last_sequence: first as i32 + 1,
                first_offset: 3,
                last_offset: 4,
                timestamp: 5,
            })
            .collect(),
    };
    let partitions = (0..chance.below(6)).map(|partition| {
        let log_end_offset = 20 + chance.below(100) as i64;
        PartitionCheckpoint {
            topic: *b"sixteen bytes id",
            partition: partition as i32,
            log_start_offset: chance.below(20) as i64,
            segments: (0..1 + chance.below(4) as i64).collect(),
            position: 4096 * chance.below(9),
            facts: (0..chance.below(4) as i64)
                .map(|base| SegmentFacts { base, length: 4096, max_timestamp: 1000 * base, indexed: 7 })
                .collect(),
            log_end_offset,
            high_watermark: log_end_offset - chance.below(20) as i64,
            epochs: (0..chance.below(3)).map(|epoch| (epoch as i32, 8 * epoch as i64)).collect(),
            producers: (0..chance.below(3)).map(|_| producer(chance)).collect(),
        }
    });
    let partitions = partitions.collect();
    let through = chance.below(50);
    let replay_from = FrameSequence(1 + chance.below(through + 1));
    ShardCheckpoint {
        shard: SHARD,
        boot: BOOT,
        number: chance.below(9),
        replay_from,
        through: FrameSequence(through),
        partitions,
    }
}

fn check_checkpoint(input: &Input<'_>) -> Checked {
    let decoded = CHECKPOINT_MEMORY.hold(input.bytes.len(), || ShardCheckpoint::decode(input.bytes))?;
    let bounds = CheckpointBounds::of([Some(input.bytes), None], SHARD, BOOT);
    let chosen = Checkpoints::choose([Some(input.bytes), None]);
    promise(chosen.newest.as_ref() == decoded.as_ref().ok(), || {
        "the only good file is not chosen".to_owned()
    })?;
    let checkpoint = match decoded {
        Ok(checkpoint) => checkpoint,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good checkpoint is refused: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    let own = checkpoint.shard == SHARD && checkpoint.boot == BOOT;
    let within = checkpoint.replay_from <= bounds.replay_from && checkpoint.through <= bounds.through;
    promise(!own || within, || format!("its headers say {bounds:?} of {checkpoint:?}"))?;
    check_known(input, &checkpoint, |source| ShardCheckpoint::decode(source).ok())?;
    let again = ShardCheckpoint::decode(&checkpoint.encode());
    promise(again.as_ref() == Ok(&checkpoint), || {
        format!("written again it is {again:?}, not {checkpoint:?}")
    })?;
    Ok(TargetOutcome::Decoded)
}

/// The checksum stands in the last line and covers what is before it.
fn repair_manifest(bytes: &mut Vec<u8>) {
    const NAME: &[u8] = b"checksum=";
    let Some(at) = bytes.windows(NAME.len()).rposition(|window| window == NAME) else { return };
    bytes.truncate(at);
    // What is not text is read as replacement characters, and the sum is taken over those.
    let covered = crc32c::crc32c(String::from_utf8_lossy(bytes).as_bytes());
    bytes.extend_from_slice(format!("checksum={covered:08x}\n").as_bytes());
}

fn check_manifest(input: &Input<'_>) -> Checked {
    let text = String::from_utf8_lossy(input.bytes);
    let decoded = MANIFEST_MEMORY.hold(input.bytes.len(), || Manifest::decode(&text))?;
    let manifest = match decoded {
        Ok(manifest) => manifest,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good manifest is refused: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    check_known(input, &manifest, |source| Manifest::decode(&String::from_utf8_lossy(source)).ok())?;
    let again = Manifest::decode(&manifest.encode());
    promise(again.as_ref() == Ok(&manifest), || format!("written again it is {again:?}, not {manifest:?}"))?;
    Ok(TargetOutcome::Decoded)
}

fn record(chance: &mut Chance) -> MetadataRecord {
    let topic = TopicId([chance.below(4) as u8; 16]);
    let name = format!("topic {}", chance.below(4));
    let brokers = |chance: &mut Chance| (0..chance.below(4)).map(|id| BrokerId(id as i32)).collect();
    match chance.below(9) {
        0 => MetadataRecord::Cluster { cluster_id: name },
        1 => MetadataRecord::Broker {
            id: BrokerId(chance.below(3) as i32),
            rack: chance.one_in(2).then(|| "rack".to_owned()),
            endpoints: (0..chance.below(3))
                .map(|number| Endpoint {
                    name: "PLAINTEXT".to_owned(),
                    host: format!("host-{number}"),
                    port: 9092,
                    protocol: SecurityProtocol::Plaintext,
                })
                .collect(),
        },
        2 => MetadataRecord::Topic { id: topic, name },
        3 => MetadataRecord::Partition {
            topic,
            index: PartitionIndex(chance.below(3) as i32),
            replicas: brokers(chance),
            isr: brokers(chance),
            leader: BrokerId(1),
            leader_epoch: LeaderEpoch(chance.below(9) as i32),
        },
        4 => MetadataRecord::RemoveTopic { id: topic },
        5 => MetadataRecord::Config {
            resource: match chance.below(5) {
                0 => ConfigResource::Topic(name),
                1 => ConfigResource::Broker(BrokerId(1)),
                2 => ConfigResource::Group(name),
                3 => ConfigResource::ClientMetrics(name),
                _ => ConfigResource::BrokerDefault,
            },
            key: "retention.ms".to_owned(),
            value: chance.one_in(2).then(|| "1".to_owned()),
        },
        6 => MetadataRecord::ClientQuota {
            entity: QuotaEntity::default().with(
                QuotaEntity::KINDS[chance.below(3) as usize],
                if chance.one_in(2) { QuotaName::Default } else { QuotaName::Named(name) },
            ),
            key: QuotaKey::ProducerByteRate,
            value: chance.one_in(2).then(|| QuotaValue::new(chance.below(9000) as f64)),
        },
        7 => MetadataRecord::Features {
            epoch: chance.below(9) as i64,
            levels: (0..chance.below(3)).map(|level| (format!("feature {level}"), level as i16)).collect(),
        },
        _ => MetadataRecord::ProducerIds { next: ProducerId(chance.below(9000) as i64) },
    }
}

fn entries(chance: &mut Chance) -> Vec<MetadataEntry> {
    let first = 1 + chance.below(1000);
    let mut hard_index = first - 1;
    let mut list = Vec::new();
    for index in first..=first + chance.below(5) {
        if chance.one_in(2) {
            hard_index = index - 1;
        }
        let records = (0..chance.below(5)).map(|_| record(chance)).collect();
        list.push(MetadataEntry { epoch: 1, index, hard_index, records });
    }
    list
}

fn entry_places(bytes: &[u8]) -> Vec<usize> {
    let places = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"MRM1");
    places.map(|(at, _)| at).collect()
}

fn check_metadata_log(input: &Input<'_>) -> Checked {
    let decoded = METADATA_MEMORY.hold(input.bytes.len(), || DecodedLog::decode(input.bytes))?;
    let log = match decoded {
        Ok(log) => log,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good log is refused: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    promise(log.valid_bytes <= input.bytes.len() as u64, || "good bytes beyond the end".to_owned())?;
    let follow = log
        .entries
        .windows(2)
        .all(|pair| matches!(pair, [one, two] if one.index.checked_add(1) == Some(two.index)));
    promise(follow, || "entries are missing between others".to_owned())?;
    let mut again = Vec::new();
    log.entries.iter().for_each(|entry| entry.encode(&mut again));
    let read = DecodedLog::decode(&again).map(|log| log.entries);
    promise(read.as_ref() == Ok(&log.entries), || format!("written again it is {read:?}"))?;
    // The log is cut to its good bytes before the next entry is written: that must not change what it says.
    let cut = DecodedLog::decode(input.bytes.get(..log.valid_bytes as usize).unwrap_or_default());
    promise(cut.as_ref().map(|cut| &cut.entries) == Ok(&log.entries), || format!("cut it is {cut:?}"))?;
    let mut image = MetadataImage::default();
    let applied = log.entries.iter().try_for_each(|entry| image.apply_all(&entry.records));
    // Which records contradict each other is not this target's subject, only that it is said and not assumed.
    let _ = applied;
    Ok(if log.entries.is_empty() { TargetOutcome::Refused } else { TargetOutcome::Decoded })
}

fn check_offset_index(input: &Input<'_>) -> Checked {
    let decoded = INDEX_MEMORY.hold(input.bytes.len(), || OffsetIndex::decode(input.bytes))?;
    let index = match decoded {
        Ok(index) => index,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good index is refused: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    check_known(input, &index, |source| OffsetIndex::decode(source).ok())?;
    promise(index.encode() == input.bytes, || "written again it has other bytes".to_owned())?;
    let mut chance = input.chance();
    for _ in 0..8 {
        let offset = Offset(index.base().0.saturating_add(chance.below(2_000_000) as i64));
        let relative = offset.0.saturating_sub(index.base().0);
        let before = index.entries().iter().rfind(|entry| i64::from(entry.relative_offset) <= relative);
        let (found, naive) = (index.lookup(offset).0, before.map_or(0, |entry| u64::from(entry.position)));
        promise(found == naive, || format!("offset {offset:?} is looked for from {found}, not {naive}"))?;
        let end = millrace_core::base::Position(chance.below(index.covered().saturating_add(2).min(1 << 40)));
        let mut cut = index.clone();
        let from = cut.truncate(end);
        promise(from.0 <= end.0 && cut.covered() == from.0, || {
            format!("cut to {end:?} it goes on at {from:?}")
        })?;
        let time = TimestampMs(chance.below(1100) as i64);
        let found = index.interval_at_time(time, millrace_core::base::Position::ZERO);
        let naive = index.entries().iter().find(|entry| entry.max_timestamp >= time);
        let (found, naive) =
            (found.map(|interval| interval.from.0), naive.map(|entry| u64::from(entry.position)));
        promise(found == naive, || format!("time {time:?} is looked for from {found:?}, not {naive:?}"))?;
    }
    Ok(TargetOutcome::Decoded)
}
