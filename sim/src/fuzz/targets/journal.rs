//! Journal frames: good ones of every kind of entry, and forged ones behind good checksums.

use bytes::Bytes;
use millrace_core::base::{Offset, PartitionIndex, PartitionKey, Position, ShardIndex, TimestampMs, TopicId};
use millrace_core::journal::{
    BootNonce, CompactedSegment, Entry, Frame, FrameHeader, Journal, JournalGeometry, Span,
};

use super::batch;
use crate::chance::Chance;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

pub(in crate::fuzz) const JOURNAL_FRAME: Target = Target {
    name: "journal_frame",
    decoders: &[
        "frame::decode",
        "frame::decode_fields",
        "frame::decode_entries",
        "entry::decode",
        "entry::decode_fields",
        "entry::decode_span",
        "entry::decode_compacted",
        "batches::first_batch",
        "batches::digest_headers",
        "batches::verify_batches",
    ],
    generate: |chance| {
        let mut writer = FrameWriter::new();
        (0..chance.below(3)).for_each(|_| drop(writer.frame(chance)));
        writer.frame(chance)
    },
    fields,
    repair: |bytes| repair(bytes),
    check,
    bytes_max: 64 * 1024,
    ..Target::PLAIN
};

/// An entry read is about three times its smallest head,
/// in a list that doubles and is then made into another.
pub(super) const FRAME: Bound = Bound { per_byte: 24, fixed: 4096 };

pub(super) const SHARD: ShardIndex = ShardIndex(3);
pub(super) const BOOT: BootNonce = BootNonce(0x1122_3344_5566_7788);

const SLOT_BYTES: usize = 1 << 20;
const START: (Offset, Position, Offset) = (Offset::ZERO, Position::ZERO, Offset::ZERO);

/// Seals frames one after another and keeps nothing but what is needed for the next.
pub(super) struct FrameWriter {
    journal: Journal,
    ring: Vec<u8>,
    /// Where the next append of each partition goes: segment, position, offset.
    ends: [(Offset, Position, Offset); 3],
}

impl FrameWriter {
    pub(super) fn new() -> FrameWriter {
        let geometry = JournalGeometry::with_slots(4, SLOT_BYTES, 2 * SLOT_BYTES);
        let Ok(geometry) = geometry else { unreachable!("the sizes of this journal are good") };
        let ring = vec![0; geometry.ring_bytes()];
        let ends = [START; 3];
        FrameWriter { journal: Journal::new(SHARD, BOOT, geometry), ring, ends }
    }

    /// The next frame's bytes; now and then the frames so far are on the device before it is sealed.
    pub(super) fn frame(&mut self, chance: &mut Chance) -> Vec<u8> {
        while chance.one_in(2) {
            let Some(write) = self.journal.next_write() else { break };
            self.journal.written(write.through);
        }
        let entries: Vec<Entry<Vec<Bytes>>> = (0..1 + chance.below(4)).map(|_| self.entry(chance)).collect();
        self.seal(&entries)
    }

    fn seal(&mut self, entries: &[Entry<Vec<Bytes>>]) -> Vec<u8> {
        let ring = &mut self.ring;
        let mut sink = |at: usize, bytes: &[u8]| {
            if let Some(place) = ring.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        let sealed = self.journal.seal(entries, &mut sink);
        let Ok(sealed) = sealed else { unreachable!("a few small frames have room") };
        self.ring.get(sealed.ring_at..sealed.ring_at + sealed.len).unwrap_or_default().to_vec()
    }

    /// Mostly appends that follow one another, as replay wants them.
    fn entry(&mut self, chance: &mut Chance) -> Entry<Vec<Bytes>> {
        let partition = chance.below(self.ends.len() as u64) as usize;
        let key = PartitionKey::new(TopicId(*b"sixteen bytes id"), PartitionIndex(partition as i32));
        let Some(end) = self.ends.get_mut(partition) else { return Entry::Drop { key } };
        let (segment, position, base_offset) = *end;
        let mut span = Span { key, segment, position, base_offset, next_offset: base_offset };
        let some = |length: u64| vec![Bytes::from(vec![5; length as usize])];
        match chance.below(10) {
            0 => Entry::Carry { span: Span { position: Position::ZERO, ..span }, payload: some(position.0) },
            1 => Entry::LogStart { key, offset: Offset(chance.below(base_offset.0 as u64 + 1) as i64) },
            2 if chance.one_in(4) => {
                let (length, max_timestamp, number) = (position, TimestampMs(chance.below(9) as i64), 1);
                // All before the active segment is in files, whatever became one.
                let new = CompactedSegment { segment, end: segment, length, max_timestamp, number };
                Entry::Compact { key, new }
            }
            2 => Entry::Truncate { key, to: base_offset, segment, position },
            3 if chance.one_in(4) => {
                *end = START;
                Entry::Drop { key }
            }
            4 if base_offset > segment => {
                *end = (base_offset, Position::ZERO, base_offset);
                Entry::Roll { key, segment: base_offset, previous_length: position }
            }
            5 => {
                span.next_offset = base_offset.plus(2);
                *end = (segment, Position(position.0 + 100), span.next_offset);
                Entry::Extent { span, length: 90, header_bytes: 2 * 61, payload: some(2 * 61 + 10) }
            }
            _ => {
                let codec = millrace_core::log::Codec::None;
                let mut batch = batch::batch(codec, chance);
                let header = millrace_core::log::BatchHeader::parse(&batch);
                let records = header.map_or(1, |header| i64::from(header.records_count));
                if let Some(place) = batch.first_chunk_mut() {
                    *place = base_offset.0.to_be_bytes();
                }
                span.next_offset = base_offset.plus(records);
                *end = (segment, Position(position.0 + batch.len() as u64), span.next_offset);
                Entry::Append { span, payload: vec![Bytes::from(batch)] }
            }
        }
    }
}

const HEADER_BYTES: usize = 64;

/// Numbers of the frame's header and of its entries' heads.
pub(super) fn fields(bytes: &[u8]) -> Vec<Field> {
    let header = [(8, 2), (10, 2), (12, 4), (24, 8), (32, 8), (40, 4), (44, 4), (48, 4), (52, 4)];
    let mut fields: Vec<Field> = header.into_iter().map(|(at, width)| Field::little(at, width)).collect();
    for head in heads(bytes) {
        fields.extend([Field::little(head.at, 1), Field::little(head.at + 4, 4)]);
        fields.extend((32..head.length).step_by(8).map(|at| Field::little(head.at + at, 8)));
        fields.push(Field::big(head.payload_at + 8, 4));
    }
    fields
}

struct HeadPlace {
    at: usize,
    kind: u8,
    length: usize,
    payload_at: usize,
    payload_bytes: usize,
}

/// Where the heads stand, as far as header and heads make sense.
fn heads(bytes: &[u8]) -> Vec<HeadPlace> {
    let mut at = HEADER_BYTES;
    let end = at + number(bytes, 40) as usize;
    let mut payload_at = end;
    let mut places = Vec::new();
    while at < end.min(bytes.len()) {
        let kind = bytes.get(at).copied().unwrap_or(0);
        let length = match kind {
            1 | 2 => 64,
            3 => 48,
            4 => 40,
            5 => 56,
            6 => 32,
            7 => 80,
            8 => 72,
            _ => break,
        };
        let payload_bytes = number(bytes, at + 4) as usize;
        places.push(HeadPlace { at, kind, length, payload_at, payload_bytes });
        at += length;
        payload_at += payload_bytes;
    }
    places
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |raw| u32::from_le_bytes(*raw))
}

fn put(bytes: &mut [u8], at: usize, number: [u8; 4]) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&number);
    }
}

/// Checksums of batches, payloads, content and header, by the format's description.
pub(super) fn repair(bytes: &mut [u8]) {
    let places = heads(bytes);
    let heads_end = HEADER_BYTES + number(bytes, 40) as usize;
    let mut batch_headers = Vec::new();
    for place in &places {
        let payload = place.payload_at..place.payload_at.saturating_add(place.payload_bytes);
        match place.kind {
            1 => repair_batches(bytes, payload, &mut batch_headers),
            2 | 7 => {
                let checksum = crc32c::crc32c(bytes.get(payload).unwrap_or_default());
                put(bytes, place.at + 28, checksum.to_le_bytes());
            }
            _ => {}
        }
    }
    let mut content = crc32c::crc32c(bytes.get(HEADER_BYTES..heads_end).unwrap_or_default());
    for header in batch_headers {
        content = crc32c::crc32c_append(content, bytes.get(header).unwrap_or_default());
    }
    put(bytes, 56, content.to_le_bytes());
    let checksum = crc32c::crc32c(bytes.get(..60).unwrap_or_default());
    put(bytes, 60, checksum.to_le_bytes());
}

fn repair_batches(
    bytes: &mut [u8],
    payload: std::ops::Range<usize>,
    headers: &mut Vec<std::ops::Range<usize>>,
) {
    let mut at = payload.start;
    while at + 61 <= payload.end.min(bytes.len()) {
        let length = bytes.get(at + 8..).and_then(|rest| rest.first_chunk());
        let end = at + 12 + length.map_or(0, |raw| u32::from_be_bytes(*raw) as usize);
        let Some(covered) = bytes.get(at + 21..end.max(at + 61)) else { return };
        let checksum = crc32c::crc32c(covered);
        put(bytes, at + 17, checksum.to_be_bytes());
        headers.push(at..at + 61);
        at = end.max(at + 61);
    }
}

fn check(input: &Input<'_>) -> Checked {
    let shared = Bytes::copy_from_slice(input.bytes);
    let decoded = FRAME.hold(shared.len(), || Frame::decode(&shared))?;
    let frame = match decoded {
        Ok(frame) => frame,
        Err(fault) => {
            promise(!input.is_whole(), || format!("a good frame is refused: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    let sources: Vec<Frame> = input
        .sources()
        .iter()
        .filter_map(|source| Frame::decode(&Bytes::copy_from_slice(source)).ok())
        .collect();
    let is_known = sources.is_empty() || sources.iter().any(|source| same(source, &frame));
    promise(is_known, || format!("damage is not noticed: {frame:?}"))?;
    check_frame(&frame, &shared)?;
    Ok(TargetOutcome::Decoded)
}

pub(super) fn same(one: &Frame, two: &Frame) -> bool {
    (one.header, one.checksum) == (two.header, two.checksum) && one.entries == two.entries
}

/// What holds for each frame that is read, forged or not.
pub(super) fn check_frame(frame: &Frame, bytes: &Bytes) -> Result<(), String> {
    let header =
        FrameHeader::decode(bytes).map_err(|fault| format!("its header alone is refused: {fault}"))?;
    promise(header == (frame.header, frame.checksum), || "its header alone is read otherwise".to_owned())?;
    promise(frame.entries.len() == frame.header.entry_count as usize, || "entries are missing".to_owned())?;
    let mut again = bytes.get(..frame.header.frame_bytes as usize).unwrap_or_default().to_vec();
    repair(&mut again);
    promise(bytes.starts_with(&again), || "its checksums are not those of the description".to_owned())?;
    let payloads: usize = frame.entries.iter().filter_map(payload).map(Bytes::len).sum();
    promise(payloads == frame.header.payload_bytes as usize, || {
        "payloads do not fill their place".to_owned()
    })?;
    let heads: usize = frame.entries.iter().map(Entry::head_bytes).sum();
    promise(heads == frame.header.heads_bytes as usize, || "heads do not fill their place".to_owned())?;
    let content = HEADER_BYTES..HEADER_BYTES + heads + payloads;
    let written = bytes.get(content.clone());
    match sealed_again(frame) {
        Some(again) => {
            promise(again.get(content) == written, || format!("sealed again it differs: {frame:?}"))
        }
        None => Ok(()),
    }
}

/// The frame's entries in a new frame; none where only a forger wrote such.
fn sealed_again(frame: &Frame) -> Option<Vec<u8>> {
    let entries: Vec<Entry<Vec<Bytes>>> = frame.entries.iter().map(in_pieces).collect();
    let begins_right = |entry: &Entry<Bytes>| match entry {
        Entry::Append { span, payload } => payload.first_chunk() == Some(&span.base_offset.0.to_be_bytes()),
        _ => true,
    };
    if entries.is_empty() || !frame.entries.iter().all(begins_right) {
        return None;
    }
    let mut writer = FrameWriter::new();
    Some(writer.seal(&entries))
}

fn in_pieces(entry: &Entry<Bytes>) -> Entry<Vec<Bytes>> {
    let pieces = |bytes: &Bytes| vec![bytes.clone()];
    match entry {
        Entry::Append { span, payload } => Entry::Append { span: *span, payload: pieces(payload) },
        Entry::Carry { span, payload } => Entry::Carry { span: *span, payload: pieces(payload) },
        Entry::Extent { span, length, header_bytes, payload } => Entry::Extent {
            span: *span,
            length: *length,
            header_bytes: *header_bytes,
            payload: pieces(payload),
        },
        Entry::Roll { key, segment, previous_length } => {
            Entry::Roll { key: *key, segment: *segment, previous_length: *previous_length }
        }
        Entry::LogStart { key, offset } => Entry::LogStart { key: *key, offset: *offset },
        Entry::Truncate { key, to, segment, position } => {
            Entry::Truncate { key: *key, to: *to, segment: *segment, position: *position }
        }
        Entry::Drop { key } => Entry::Drop { key: *key },
        Entry::Compact { key, new } => Entry::Compact { key: *key, new: *new },
    }
}

fn payload(entry: &Entry<Bytes>) -> Option<&Bytes> {
    match entry {
        Entry::Append { payload, .. } | Entry::Carry { payload, .. } | Entry::Extent { payload, .. } => {
            Some(payload)
        }
        _ => None,
    }
}
