//! The bytes of frames and checkpoints, which an upgrade must still read.

use crate::fixture::{BOOT, Bench, SHARD, batch, key, span};
use bytes::Bytes;
use millrace_core::base::{Offset, Position, TimestampMs};
use millrace_core::journal::{
    BootNonce, CheckpointBounds, Checkpoints, CompactedSegment, Entry, Frame, FrameSequence,
    PartitionCheckpoint, ProducerBatchCheckpoint, ProducerCheckpoint, SegmentFacts, ShardCheckpoint,
};

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).map(|line| {
        let words =
            line.chunks(4).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_frame_with_every_kind_of_entry_has_these_bytes() {
    let mut bench = Bench::small();
    let appended = [Bytes::from(batch(40, b"one")), Bytes::from(batch(41, b"two"))];
    let carried = [Bytes::from_static(b"mid-batch bytes")];
    let extended = [Bytes::from(batch(100, b"")), Bytes::from_static(b"tail!")];
    let entries = [
        Entry::Append { span: span(0, 30, 4096, 40, 42), payload: &appended[..] },
        Entry::Carry { span: span(1, 0, 8192, 7, 9), payload: &carried[..] },
        Entry::Roll { key: key(0), segment: Offset(42), previous_length: Position(4224) },
        Entry::LogStart { key: key(1), offset: Offset(5) },
        Entry::Truncate { key: key(2), to: Offset(6), segment: Offset(1), position: Position(77) },
        Entry::Drop { key: key(3) },
        Entry::Extent {
            span: span(4, 0, 4096, 100, 101),
            length: 262_144,
            header_bytes: 61,
            payload: &extended[..],
        },
        Entry::Compact {
            key: key(5),
            new: CompactedSegment {
                segment: Offset(3),
                end: Offset(30),
                length: Position(777),
                max_timestamp: TimestampMs(88),
                number: 9,
            },
        },
    ];
    bench.append(9, 0, 0, b"the frame before");
    bench.write_all();
    let frame = bench.seal(&entries).unwrap();
    let bytes = bench.ring_file().slice(frame.ring_at..frame.ring_at + frame.len);
    let content = &bytes[..64 + 64 + 64 + 48 + 40 + 56 + 32 + 80 + 72];
    assert_eq!(hex(content), include_str!("frame.hex").trim_end());

    let decoded = Frame::decode(&bytes).unwrap();
    assert_eq!(decoded.header.sequence, FrameSequence(2));
    assert_eq!(decoded.header.flushed, FrameSequence(1));
    assert_eq!(decoded.entries.len(), entries.len());
    for (read, written) in decoded.entries.iter().zip(&entries) {
        assert_eq!(format!("{read:?}"), format!("{:?}", joined(*written)));
    }
}

/// The entry with its pieces in one.
fn joined(entry: Entry<&[Bytes]>) -> Entry<Bytes> {
    let join = |pieces: &[Bytes]| Bytes::from(pieces.concat());
    match entry {
        Entry::Append { span, payload } => Entry::Append { span, payload: join(payload) },
        Entry::Carry { span, payload } => Entry::Carry { span, payload: join(payload) },
        Entry::Extent { span, length, header_bytes, payload } => {
            Entry::Extent { span, length, header_bytes, payload: join(payload) }
        }
        Entry::Roll { key, segment, previous_length } => Entry::Roll { key, segment, previous_length },
        Entry::LogStart { key, offset } => Entry::LogStart { key, offset },
        Entry::Truncate { key, to, segment, position } => Entry::Truncate { key, to, segment, position },
        Entry::Drop { key } => Entry::Drop { key },
        Entry::Compact { key, new } => Entry::Compact { key, new },
    }
}

pub(crate) fn checkpoint(number: u64) -> ShardCheckpoint {
    let batch = ProducerBatchCheckpoint {
        first_sequence: 1,
        last_sequence: 2,
        first_offset: 3,
        last_offset: 4,
        timestamp: 5,
    };
    let producer = ProducerCheckpoint { id: 1000, epoch: 2, last_timestamp: 77, batches: vec![batch] };
    let partition = PartitionCheckpoint {
        topic: key(1).topic.0,
        partition: 1,
        log_start_offset: 2,
        segments: vec![0, 9],
        position: 4096,
        facts: vec![SegmentFacts { base: 9, length: 4096, max_timestamp: 80, indexed: 60 }],
        log_end_offset: 12,
        high_watermark: 11,
        epochs: vec![(0, 0), (3, 8)],
        producers: vec![producer],
    };
    ShardCheckpoint {
        shard: SHARD,
        boot: BOOT,
        number,
        replay_from: FrameSequence(6),
        through: FrameSequence(8),
        partitions: vec![partition],
    }
}

#[test]
fn a_checkpoint_has_these_bytes() {
    let bytes = checkpoint(5).encode();
    assert_eq!(bytes.len(), 4096);
    assert_eq!(hex(&bytes[..content_end(&bytes)]), include_str!("checkpoint.hex").trim_end());
    assert_eq!(bytes[4096 - 64..], bytes[..64]);
    assert_eq!(ShardCheckpoint::decode(&bytes), Ok(checkpoint(5)));
}

#[test]
fn the_newest_valid_checkpoint_counts() {
    let (old, new) = (checkpoint(4).encode(), checkpoint(5).encode());
    let number = |files: [Option<&[u8]>; 2]| {
        let chosen = Checkpoints::choose(files);
        let bad = chosen.faults.iter().flatten().count();
        (chosen.newest.map(|checkpoint| checkpoint.number), bad)
    };
    assert_eq!(number([Some(&old), Some(&new)]), (Some(5), 0));
    assert_eq!(number([Some(&new), Some(&old)]), (Some(5), 0));
    assert_eq!(number([None, None]), (None, 0));
    assert_eq!(number([Some(&old), None]), (Some(4), 0));
    for at in 0..new.len() {
        let mut garbled = new.clone();
        garbled[at] ^= 0x40;
        // The header is there twice; behind the content there is only padding.
        let expected = if (64..content_end(&new)).contains(&at) { (Some(4), 1) } else { (Some(5), 0) };
        assert_eq!(number([Some(&old), Some(&garbled)]), expected, "byte {at}");
    }
    for cut in 0..content_end(&new) {
        assert_eq!(number([Some(&old), Some(&new[..cut])]), (Some(4), 1), "cut at {cut}");
    }
    // Its first sector did not arrive; the file held a longer checkpoint of another content before.
    let mut longer = [vec![7; 4096], old.clone()].concat();
    longer[512..4096].copy_from_slice(&new[512..]);
    assert_eq!(number([Some(&old), Some(&longer)]), (Some(4), 1));
    longer[64..4096].copy_from_slice(&new[64..]);
    assert_eq!(number([Some(&old), Some(&longer)]), (Some(5), 0));
    assert_ne!(Checkpoints::file_of(4), Checkpoints::file_of(5));
}

fn content_end(file: &[u8]) -> usize {
    64 + u64::from_le_bytes(file[48..56].try_into().unwrap()) as usize
}

#[test]
fn headers_tell_of_the_frames_where_the_content_is_damaged() {
    let (old, mut new) = (checkpoint(4), checkpoint(5).encode());
    let older = ShardCheckpoint { replay_from: FrameSequence(2), through: FrameSequence(3), ..old }.encode();
    let bounds = |files, boot| {
        let found = CheckpointBounds::of(files, SHARD, boot);
        (found.replay_from.0, found.through.0)
    };
    new[70] ^= 1;
    let mut headless = new.clone();
    headless[..512].fill(0);
    for damaged in [&new, &headless] {
        assert_eq!(bounds([Some(&older), Some(damaged)], BOOT), (6, 8));
        assert_eq!(bounds([Some(damaged), None], BOOT), (6, 8));
    }
    assert_eq!(bounds([None, Some(&older)], BOOT), (2, 3));
    assert_eq!(bounds([None, None], BOOT), (0, 0));
    assert_eq!(bounds([Some(&older), Some(&new)], BootNonce(1)), (0, 0), "another journal's");
}

#[test]
fn impossible_checkpoints_are_refused() {
    // Encoding asserts the same; a file made elsewhere must not get past decoding.
    let bytes = checkpoint(1).encode();
    let mut wrong_version = bytes.clone();
    wrong_version[8] = 4;
    let checksum = crc32c::crc32c(&wrong_version[..60]);
    wrong_version[60..64].copy_from_slice(&checksum.to_le_bytes());
    wrong_version.copy_within(..64, 4096 - 64);
    let error = ShardCheckpoint::decode(&wrong_version).unwrap_err();
    assert_eq!(error.to_string(), "shard checkpoint is corrupt at byte 0: not a checkpoint of this version");
}
