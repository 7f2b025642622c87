//! Recovery of a journal: slots and ring with frames of one boot, damaged, forged, moved and repeated.

use bytes::Bytes;
use millrace_core::base::limits::BLOCK_BYTES;
use millrace_core::journal::{
    Chain, ChainStart, CheckpointBounds, Frame, FrameSequence, RecoveredPartition, Replay, oldest_frame,
    recover_chain,
};

use super::journal::{BOOT, FRAME, FrameWriter, SHARD, fields as frame_fields, repair as repair_frame, same};
use crate::chance::Chance;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

/// An input is four parts of equal length: three slots, then the ring.
pub(in crate::fuzz) const JOURNAL_RECOVERY: Target = Target {
    name: "journal_recovery",
    decoders: &[
        "recover::recover_chain",
        "recover::scan",
        "oldest::oldest_frame",
        "replay::apply",
        "replay::finish",
    ],
    generate,
    fields,
    repair,
    check,
    bytes_max: 256 * 1024,
    ..Target::PLAIN
};

const PARTS: usize = 4;

/// A frame, its place in the lists of what was found, and what replay keeps of its entries:
/// all in proportion to heads.
const RECOVERY: Bound = Bound { per_byte: 2 * FRAME.per_byte, fixed: 64 * 1024 };

fn generate(chance: &mut Chance) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    let mut parts: [Vec<u8>; PARTS] = Default::default();
    let count = 1 + chance.below(8) as usize;
    for number in 0..count {
        let frame = writer.frame(chance);
        // In order over the slots; the last ones may be in the ring, and only there.
        let slot = number * (PARTS - 1) / count;
        let is_late = number + 3 > count;
        if !is_late || chance.one_in(2) {
            parts[slot].extend_from_slice(&frame);
            if chance.one_in(4) {
                parts[PARTS - 1].extend_from_slice(&frame);
            }
        } else {
            parts[PARTS - 1].extend_from_slice(&frame);
        }
    }
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0) + BLOCK_BYTES;
    parts.iter_mut().for_each(|part| part.resize(longest, 0));
    parts.concat()
}

fn fields(bytes: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    for (block, bytes) in
        bytes.chunks(BLOCK_BYTES).enumerate().filter(|(_, bytes)| bytes.starts_with(b"MRJOURNL"))
    {
        let moved = frame_fields(bytes)
            .into_iter()
            .map(|field| Field { at: field.at + block * BLOCK_BYTES, ..field });
        fields.extend(moved);
    }
    fields
}

fn repair(bytes: &mut Vec<u8>) {
    let mut repaired = Vec::with_capacity(bytes.len());
    for at in (0..bytes.len()).step_by(BLOCK_BYTES) {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.starts_with(b"MRJOURNL") {
            let mut frame = rest.to_vec();
            repair_frame(&mut frame);
            bytes.truncate(at);
            bytes.append(&mut frame);
        }
    }
    repaired.append(bytes);
    *bytes = repaired;
}

fn parts(bytes: &[u8]) -> [Bytes; PARTS] {
    let part = bytes.len() / PARTS;
    std::array::from_fn(|number| {
        Bytes::copy_from_slice(bytes.get(number * part..(number + 1) * part).unwrap_or_default())
    })
}

fn recover(parts: &[Bytes; PARTS], from: FrameSequence) -> Option<Chain> {
    let [slots @ .., ring] = parts;
    recover_chain(ChainStart { shard: SHARD, boot: Some(BOOT), from }, slots, Some(ring)).ok()
}

fn check(input: &Input<'_>) -> Checked {
    let parts = parts(input.bytes);
    let recovered = RECOVERY.hold(input.bytes.len(), || recover(&parts, FrameSequence::FIRST))?;
    check_oldest(&parts, input)?;
    let Some(chain) = recovered else {
        promise(!input.is_whole(), || "a good journal is refused".to_owned())?;
        return Ok(TargetOutcome::Refused);
    };
    let mut expected = (FrameSequence::FIRST, 0);
    for frame in &chain.frames {
        let found = (frame.header.sequence, frame.header.previous_checksum);
        promise(found == expected, || format!("frame {found:?} where {expected:?} was due"))?;
        promise(frame.header.boot == BOOT && frame.header.shard == SHARD, || {
            "another journal's frame".to_owned()
        })?;
        expected = (frame.header.sequence.next(), frame.checksum);
    }
    check_prefix(&chain.frames, input)?;
    check_later_start(&chain, &parts)?;
    let replayed = RECOVERY.hold(input.bytes.len(), || replay(&chain.frames))?;
    promise(!input.is_whole() || replayed.is_some(), || "a good journal is not replayed".to_owned())?;
    let Some(partitions) = replayed else { return Ok(TargetOutcome::Refused) };
    partitions.iter().try_for_each(check_partition)?;
    Ok(TargetOutcome::Decoded)
}

/// Without forgery what is recovered is what was written, up to somewhere.
fn check_prefix(frames: &[Frame], input: &Input<'_>) -> Result<(), String> {
    let written = |source: &&[u8]| {
        recover(&parts(source), FrameSequence::FIRST).map_or_else(Vec::new, |chain| chain.frames)
    };
    let sources: Vec<Vec<Frame>> = input.sources().iter().map(written).collect();
    let is_prefix = |source: &Vec<Frame>| {
        frames.len() <= source.len() && frames.iter().zip(source).all(|(one, two)| same(one, two))
    };
    promise(sources.is_empty() || sources.iter().any(is_prefix), || "frames that nobody wrote".to_owned())
}

/// Where no checkpoint says from where, a whole journal is replayed from its first frame.
fn check_oldest(parts: &[Bytes; PARTS], input: &Input<'_>) -> Result<(), String> {
    let [slots @ .., ring] = parts;
    let oldest = || oldest_frame(SHARD, BOOT, slots, Some(ring), CheckpointBounds::default());
    let found = RECOVERY.hold(input.bytes.len(), oldest)?;
    promise(!input.is_whole() || found == Ok(FrameSequence::FIRST), || format!("it begins at {found:?}"))
}

/// A start at a later frame finds the rest of the same chain.
fn check_later_start(chain: &Chain, parts: &[Bytes; PARTS]) -> Result<(), String> {
    let Some(middle) = chain.frames.get(chain.frames.len() / 2) else { return Ok(()) };
    let Some(later) = recover(parts, middle.header.sequence) else { return Ok(()) };
    let rest = chain.frames.iter().filter(|frame| frame.header.sequence >= middle.header.sequence);
    // Without the frame before it, a forged first frame cannot be told from the right one.
    let links = later.frames.first().is_some_and(|first| first.checksum == middle.checksum);
    let all = rest.clone().count() == later.frames.len()
        && rest.zip(&later.frames).all(|(one, two)| same(one, two));
    promise(!links || all, || "a later start finds another chain".to_owned())
}

fn replay(frames: &[Frame]) -> Option<Vec<RecoveredPartition>> {
    let mut replay = Replay::new(None);
    frames.iter().try_for_each(|frame| replay.apply(frame)).ok()?;
    replay.finish().ok()
}

fn check_partition(partition: &RecoveredPartition) -> Result<(), String> {
    let shown = || format!("{partition:?}");
    promise(partition.high_watermark <= partition.log_end_offset, shown)?;
    promise(partition.segments.is_sorted(), shown)?;
    let mut places: Vec<(i64, u64, u64)> = Vec::new();
    places.extend(
        partition.tails.iter().map(|tail| (tail.segment.0, tail.position.0, tail.bytes.len() as u64)),
    );
    places
        .extend(partition.extents.iter().map(|extent| (extent.segment.0, extent.position.0, extent.length)));
    places.sort_unstable();
    let overlap = places.windows(2).any(|pair| match pair {
        [(segment, at, length), (next, next_at, _)] => segment == next && at + length > *next_at,
        _ => false,
    });
    promise(!overlap, shown)?;
    let last =
        places.iter().rfind(|(segment, ..)| Some(*segment) == partition.segments.last().map(|last| last.0));
    promise(last.is_none_or(|(_, at, length)| at + length == partition.end.0), shown)
}
