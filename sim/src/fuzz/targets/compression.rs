//! Kafka's four record compressions: streams read in pieces, by another reader, and written again.

use std::io::Read as _;

use millrace_core::log::compression::{Inflate, compress, compress_bare_snappy, decompress};
use millrace_core::log::{BatchFault, Codec};

use crate::chance::Chance;
use crate::fuzz::golden;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome, promise};

const BASE: Target = Target {
    decoders: &["compression::decompress", "compression::read", "compression::new"],
    bytes_max: 8 * 1024,
    ..Target::PLAIN
};

pub(in crate::fuzz) const GZIP: Target = Target {
    name: "gzip",
    golden: || golden_streams("gzip"),
    generate: |chance| compressed(Codec::Gzip, chance),
    check: |input| check(Codec::Gzip, input, gzip_members),
    ..BASE
};

pub(in crate::fuzz) const SNAPPY: Target = Target {
    name: "snappy",
    decoders: &["compression::next_block", "compression::next_frame", "compression::bare_block"],
    golden: || golden_streams("snappy"),
    generate: |chance| match chance.below(3) {
        0 => compress_bare_snappy(&text(chance)).unwrap_or_default(),
        _ => compressed(Codec::Snappy, chance),
    },
    // Lengths of xerial's blocks, of the first block, and of its content.
    fields: |_| {
        vec![Field::big(8, 4), Field::big(16, 4), Field::big(20, 1), Field::big(21, 1), Field::big(0, 1)]
    },
    check: |input| check(Codec::Snappy, input, xerial),
    ..BASE
};

pub(in crate::fuzz) const LZ4: Target = Target {
    name: "lz4",
    decoders: &["compression::take_lz4_head", "compression::skip_lz4_blocks"],
    golden: || golden_streams("lz4"),
    generate: |chance| compressed(Codec::Lz4, chance),
    // Flags, block size, checksum of the descriptor, size of the first block.
    fields: |_| vec![Field::big(4, 1), Field::big(5, 1), Field::big(6, 1), Field::little(7, 4)],
    check: |input| {
        let outcome = check(Codec::Lz4, input, lz4_frame)?;
        let cut = outcome == TargetOutcome::Decoded && !lz4_is_whole(input.bytes);
        promise(!cut, || "a frame without an end is read".to_owned())?;
        Ok(outcome)
    },
    ..BASE
};

pub(in crate::fuzz) const ZSTD: Target = Target {
    name: "zstd",
    golden: || golden_streams("zstd"),
    generate: |chance| compressed(Codec::Zstd, chance),
    // Frame header, window, content size, and the first block's header.
    fields: |_| (4..12).map(|at| Field::big(at, 1)).collect(),
    check: |input| check(Codec::Zstd, input, |bytes| zstd::stream::decode_all(bytes).ok()),
    ..BASE
};

/// What one input may decompress to here.
const PLAIN_BYTES_MAX: usize = 1 << 20;

/// Output doubles while it grows and stops at `PLAIN_BYTES_MAX` and one byte; each decoder has its own
/// tables, LZ4 two blocks of up to 4 MiB, snappy one block that no honest stream makes larger than 22 times
/// its input.
const DECOMPRESSION: Bound = Bound { per_byte: 22, fixed: 3 * PLAIN_BYTES_MAX + (12 << 20) };
/// The same without output: what a reader takes that looks at a few bytes at a time, as validation does.
const READER: Bound = Bound { per_byte: 44, fixed: 12 << 20 };

fn text(chance: &mut Chance) -> Vec<u8> {
    let mut word = vec![0; 1 + chance.below(60) as usize];
    chance.fill(&mut word);
    let mut text = word.repeat(chance.below(100) as usize);
    // Above 32 KiB there are several blocks of snappy, above 64 KiB of LZ4.
    if chance.one_in(16) {
        text = word.repeat(4000);
    }
    text.extend_from_slice(&word);
    text
}

fn compressed(codec: Codec, chance: &mut Chance) -> Vec<u8> {
    let mut stream = compress(codec, &text(chance)).unwrap_or_default();
    if chance.one_in(5) {
        // Streams one after another: members of gzip, frames that end and go on.
        stream.extend(compress(codec, &text(chance)).unwrap_or_default());
    }
    stream
}

/// The bodies of the golden batches of one codec.
fn golden_streams(codec: &str) -> Vec<Vec<u8>> {
    let texts = golden::texts("engine/core/tests/log/batches.txt");
    let lines = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(' '));
    let ours = lines.filter(|(name, _)| name.ends_with(codec));
    ours.map(|(_, hex)| golden::from_hex(hex).split_off(61)).collect()
}

fn check(codec: Codec, input: &Input<'_>, other: fn(&[u8]) -> Option<Vec<u8>>) -> Checked {
    let bytes = input.bytes;
    let whole = DECOMPRESSION.hold(bytes.len(), || decompress(codec, bytes, PLAIN_BYTES_MAX))?;
    let pieces = READER.hold(bytes.len(), || read_in_pieces(codec, bytes, &mut input.chance()))?;
    let plain = match whole {
        Ok(plain) => plain,
        Err(BatchFault::Bomb { .. }) => {
            promise(pieces.is_ok_and(|pieces| pieces.length > PLAIN_BYTES_MAX), || {
                "a bomb only as a whole".to_owned()
            })?;
            return Ok(TargetOutcome::Decoded);
        }
        Err(fault) => {
            promise(pieces.is_err(), || format!("refused as a whole ({fault}), read in pieces"))?;
            promise(!input.is_whole(), || format!("a good stream is refused: {fault}"))?;
            return Ok(TargetOutcome::Refused);
        }
    };
    let expected = Pieces { length: plain.len(), checksum: crc32c::crc32c(&plain) };
    promise(pieces.as_ref() == Ok(&expected), || format!("in pieces {pieces:?}, as a whole {expected:?}"))?;
    if let Some(theirs) = other(bytes) {
        promise(theirs == plain, || {
            format!("another reader has {} bytes, ours {}", theirs.len(), plain.len())
        })?;
    }
    let again = compress(codec, &plain).map_err(|error| error.to_string())?;
    let read = decompress(codec, &again, plain.len());
    promise(read.as_ref() == Ok(&plain), || format!("compressed again it is read as {read:?}"))?;
    Ok(TargetOutcome::Decoded)
}

/// What came out of a stream, without keeping it.
#[derive(Debug, PartialEq, Eq)]
struct Pieces {
    length: usize,
    checksum: u32,
}

/// Reads with a buffer of changing size, up to a little more than `PLAIN_BYTES_MAX`.
fn read_in_pieces(codec: Codec, bytes: &[u8], chance: &mut Chance) -> Result<Pieces, BatchFault> {
    let mut buffer = [0u8; 4096];
    let mut pieces = Pieces { length: 0, checksum: 0 };
    let Some(mut inflate) = Inflate::new(codec, bytes, u64::MAX)? else { return Ok(pieces) };
    while pieces.length <= PLAIN_BYTES_MAX {
        let size = if chance.one_in(4) { 1 + chance.below(16) as usize } else { buffer.len() };
        let place = buffer.get_mut(..size).unwrap_or_default();
        let count = inflate.read(place).map_err(|_| BatchFault::Undecodable)?;
        if count == 0 {
            break;
        }
        pieces.length += count;
        pieces.checksum = crc32c::crc32c_append(pieces.checksum, place.get(..count).unwrap_or_default());
    }
    Ok(pieces)
}

/// The library's own way through several members; it refuses what follows the last one.
fn gzip_members(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).ok().map(|_| out)
}

fn lz4_frame(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut out).ok().map(|_| out)
}

/// By the format's description: magic, flags, block size, perhaps the content's size, a checksum; then blocks
/// behind their sizes, each perhaps with a checksum, and a size of zero. The library takes a frame that is
/// cut between two blocks for whole. A bomb is not read to its end.
fn lz4_is_whole(bytes: &[u8]) -> bool {
    let Some(&flags) = bytes.get(4) else { return false };
    let block_checksum = if flags & 0x10 != 0 { 4 } else { 0 };
    let mut at = if flags & 0x08 != 0 { 15 } else { 7 };
    let mut blocks = 0;
    while let Some(size) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let size = (u32::from_le_bytes(*size) & 0x7fff_ffff) as usize;
        if size == 0 {
            return true;
        }
        at = at.saturating_add(4 + size + block_checksum);
        blocks += 1;
    }
    // Blocks of 64 KiB and more: so many may hold a bomb.
    blocks * (64 << 10) > PLAIN_BYTES_MAX
}

/// Xerial's framing by its description: a header, then lengths and blocks; or one bare block.
fn xerial(bytes: &[u8]) -> Option<Vec<u8>> {
    const MAGIC: &[u8] = b"\x82SNAPPY\0";
    let block = |bytes: &[u8]| snap::raw::Decoder::new().decompress_vec(bytes).ok();
    if bytes.len() < 16 || !bytes.starts_with(MAGIC) {
        return if bytes.is_empty() { Some(Vec::new()) } else { block(bytes) };
    }
    let (mut at, mut out) = (16, Vec::new());
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        if bytes.get(at..).is_some_and(|rest| rest.starts_with(MAGIC)) {
            at += 16;
            continue;
        }
        let end = (at + 4).checked_add(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
        out.extend(block(bytes.get(at + 4..end)?)?);
        at = end;
    }
    Some(out)
}
