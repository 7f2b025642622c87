//! Kafka's record compressions as readers whose memory is bounded, whatever the compressed bytes claim.

use std::io::{self, Read};

use super::fault::BatchFault;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// Every codec, in order of its number.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The number in a batch's attributes.
    pub fn id(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// As `compression.type` has it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.id() == id)
    }
}

/// The records of one batch may decompress to this much: as much as the largest block of a bare snappy batch.
/// Producers bound their batches before they compress them (by 1 MiB, where nobody says otherwise), and a
/// shard that inflates zeros serves nobody meanwhile.
pub const DECOMPRESSED_BYTES_MAX: u64 = 128 << 20;

/// The largest window of zstd's own command line and of Kafka's binding. A decoder reserves address space for
/// it; memory is used only as far as output is written, and one shard decodes one batch at a time.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// No snappy element grows by more: 3 bytes copy at most 64. A block that claims more lies, and is refused
/// before memory is taken for it.
const SNAPPY_GROWTH_MAX: usize = 22;

/// Magic, version and oldest compatible version at the start of xerial's framing, the one Java clients write.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
/// Uncompressed bytes a block when we write, as xerial's default.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;

/// The frame format; legacy and skippable frames, which Kafka does not read either, have other numbers.
const LZ4_FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// A decompressor over bytes in memory. Reading fails on any malformed input and never panics.
pub enum Inflate<'a> {
    /// No bytes: no frame, no records.
    Nothing,
    Gzip(GzipMembers<'a>),
    Snappy(SnappyBlocks<'a>),
    Lz4(Lz4Frame<'a>),
    Zstd(Box<zstd::stream::read::Decoder<'static, &'a [u8]>>),
}

impl<'a> Inflate<'a> {
    /// `None` for `Codec::None`, whose bytes need no decompressor. Its reader takes `max_bytes` and refuses
    /// more; a block that is decoded as a whole is refused before that.
    pub fn new(codec: Codec, bytes: &'a [u8], max_bytes: u64) -> Result<Option<Inflate<'a>>, BatchFault> {
        Ok(Some(match codec {
            Codec::None => return Ok(None),
            Codec::Gzip => Inflate::Gzip(GzipMembers::new(bytes)),
            Codec::Snappy => Inflate::Snappy(SnappyBlocks::new(bytes, max_bytes)),
            Codec::Lz4 => Inflate::Lz4(Lz4Frame::new(bytes)?),
            Codec::Zstd if bytes.is_empty() => Inflate::Nothing,
            Codec::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(bytes).map_err(|_| BatchFault::Undecodable)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|_| BatchFault::Undecodable)?;
                Inflate::Zstd(Box::new(decoder))
            }
        }))
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Inflate::Nothing => Ok(0),
            Inflate::Gzip(decoder) => decoder.read(out),
            Inflate::Snappy(blocks) => blocks.read(out),
            Inflate::Lz4(frame) => frame.read(out),
            Inflate::Zstd(decoder) => decoder.read(out),
        }
    }
}

/// What a failed read of a decompressor says about its batch.
pub(in crate::log) fn fault_of(error: io::Error) -> BatchFault {
    error.downcast().unwrap_or(BatchFault::Undecodable)
}

/// Gzip members one after another. What follows the last one and is no member is not looked at,
/// as in Java's reader.
pub struct GzipMembers<'a> {
    decoder: Box<flate2::bufread::GzDecoder<&'a [u8]>>,
}

impl<'a> GzipMembers<'a> {
    fn new(bytes: &'a [u8]) -> GzipMembers<'a> {
        GzipMembers { decoder: Box::new(flate2::bufread::GzDecoder::new(bytes)) }
    }
}

impl Read for GzipMembers<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.decoder.read(out)?;
            let rest = *self.decoder.get_ref();
            if count > 0 || out.is_empty() || !rest.starts_with(&GZIP_MAGIC) {
                return Ok(count);
            }
            *self.decoder = flate2::bufread::GzDecoder::new(rest);
        }
    }
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Snappy in xerial's framing, or one bare block if the framing's magic is missing.
pub struct SnappyBlocks<'a> {
    rest: &'a [u8],
    framed: bool,
    decoder: snap::raw::Decoder,
    block: Vec<u8>,
    /// Bytes of `block` already read.
    taken: usize,
    /// Bytes of all blocks so far.
    inflated: u64,
    max_bytes: u64,
}

impl<'a> SnappyBlocks<'a> {
    fn new(bytes: &'a [u8], max_bytes: u64) -> SnappyBlocks<'a> {
        let framed = bytes.len() >= XERIAL_HEADER_BYTES && bytes.starts_with(&XERIAL_MAGIC);
        let rest = if framed { bytes.get(XERIAL_HEADER_BYTES..).unwrap_or_default() } else { bytes };
        let decoder = snap::raw::Decoder::new();
        SnappyBlocks { rest, framed, decoder, block: Vec::new(), taken: 0, inflated: 0, max_bytes }
    }

    /// Decodes the next block; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        self.block.clear();
        self.taken = 0;
        let next = if self.framed { self.next_frame()? } else { self.bare_block() };
        let Some(compressed) = next else {
            return Ok(false);
        };
        let claimed = snap::raw::decompress_len(compressed).map_err(|_| malformed("snappy length"))?;
        if claimed > compressed.len().saturating_mul(SNAPPY_GROWTH_MAX) {
            return Err(malformed("snappy length"));
        }
        self.inflated += claimed as u64;
        if self.inflated > self.max_bytes {
            return Err(io::Error::other(BatchFault::Bomb { max: self.max_bytes }));
        }
        self.block.resize(claimed, 0);
        let written =
            self.decoder.decompress(compressed, &mut self.block).map_err(|_| malformed("snappy block"))?;
        self.block.truncate(written);
        Ok(true)
    }

    fn bare_block(&mut self) -> Option<&'a [u8]> {
        let whole = std::mem::take(&mut self.rest);
        (!whole.is_empty()).then_some(whole)
    }

    /// The bytes of the next block of the framing. Streams that were joined repeat the framing's header. A
    /// rest too short for a length is the end, as in xerial's reader.
    fn next_frame(&mut self) -> io::Result<Option<&'a [u8]>> {
        while self.rest.starts_with(&XERIAL_MAGIC) {
            self.rest = self.rest.get(XERIAL_HEADER_BYTES..).unwrap_or_default();
        }
        let Some((length, rest)) = self.rest.split_first_chunk() else {
            return Ok(None);
        };
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| malformed("snappy framing"))?;
        let (block, rest) = rest.split_at_checked(length).ok_or_else(|| malformed("snappy framing"))?;
        self.rest = rest;
        Ok(Some(block))
    }
}

impl Read for SnappyBlocks<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let ready = self.block.get(self.taken..).unwrap_or_default();
        let count = copy_prefix(ready, out);
        self.taken += count;
        Ok(count)
    }
}

/// One LZ4 frame of the kind Kafka reads. What follows its end mark is not looked at.
pub struct Lz4Frame<'a> {
    decoder: Box<lz4_flex::frame::FrameDecoder<&'a [u8]>>,
    /// The blocks end with their mark. A frame that is cut between two blocks is refused once its data are
    /// read.
    is_whole: bool,
    ended: bool,
}

impl<'a> Lz4Frame<'a> {
    fn new(bytes: &'a [u8]) -> Result<Lz4Frame<'a>, BatchFault> {
        let mut rest = bytes;
        let block_checksum_bytes = take_lz4_head(&mut rest).ok_or(BatchFault::Undecodable)?;
        let is_whole = skip_lz4_blocks(rest, block_checksum_bytes);
        let decoder = Box::new(lz4_flex::frame::FrameDecoder::new(bytes));
        Ok(Lz4Frame { decoder, is_whole, ended: false })
    }
}

impl Read for Lz4Frame<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        let count = self.decoder.read(out)?;
        self.ended = count == 0;
        if self.ended && !self.is_whole {
            return Err(malformed("lz4 frame without an end"));
        }
        Ok(count)
    }
}

/// Takes magic and descriptor. Blocks must be independent, as Kafka demands.
/// Returns the bytes of a block's checksum.
fn take_lz4_head(rest: &mut &[u8]) -> Option<usize> {
    let (magic, tail) = rest.split_first_chunk()?;
    let (&[flags, _block_size], tail) = tail.split_first_chunk()?;
    let content_size_bytes = if flags & LZ4_CONTENT_SIZE == 0 { 0 } else { 8 };
    // One byte of the descriptor's own checksum.
    *rest = tail.get(content_size_bytes + 1..)?;
    let ours = *magic == LZ4_FRAME_MAGIC && flags & LZ4_INDEPENDENT_BLOCKS != 0;
    ours.then_some(if flags & LZ4_BLOCK_CHECKSUM == 0 { 0 } else { 4 })
}

/// Whether the blocks are all there and end with their mark.
fn skip_lz4_blocks(mut rest: &[u8], checksum_bytes: usize) -> bool {
    while let Some((size, tail)) = rest.split_first_chunk() {
        let size = (u32::from_le_bytes(*size) & !LZ4_UNCOMPRESSED_BLOCK) as usize;
        if size == 0 {
            return true;
        }
        let Some(tail) = tail.get(size.saturating_add(checksum_bytes)..) else {
            return false;
        };
        rest = tail;
    }
    false
}

const LZ4_INDEPENDENT_BLOCKS: u8 = 0x20;
const LZ4_BLOCK_CHECKSUM: u8 = 0x10;
const LZ4_CONTENT_SIZE: u8 = 0x08;
/// Bit of a block's size.
const LZ4_UNCOMPRESSED_BLOCK: u32 = 1 << 31;

/// Decompresses into memory, `max_bytes` at most.
pub fn decompress(codec: Codec, bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, BatchFault> {
    let bomb = BatchFault::Bomb { max: max_bytes as u64 };
    let Some(inflate) = Inflate::new(codec, bytes, max_bytes as u64)? else {
        return if bytes.len() <= max_bytes { Ok(bytes.to_vec()) } else { Err(bomb) };
    };
    let mut out = Vec::new();
    let limit = (max_bytes as u64).saturating_add(1);
    inflate.take(limit).read_to_end(&mut out).map_err(fault_of)?;
    if out.len() > max_bytes { Err(bomb) } else { Ok(out) }
}

/// Compresses as Kafka's Java clients do: snappy in xerial's framing,
/// LZ4 in a frame of independent 64 KiB blocks.
pub fn compress(codec: Codec, bytes: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Write as _;
    match codec {
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Codec::Snappy => compress_xerial(bytes),
        Codec::Lz4 => {
            let mut info = lz4_flex::frame::FrameInfo::new();
            info.block_size = lz4_flex::frame::BlockSize::Max64KB;
            info.block_mode = lz4_flex::frame::BlockMode::Independent;
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes)?;
            encoder.finish().map_err(io::Error::other)
        }
        Codec::Zstd => zstd::stream::encode_all(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
    }
}

/// One bare snappy block, as librdkafka writes it.
pub fn compress_bare_snappy(bytes: &[u8]) -> io::Result<Vec<u8>> {
    snap::raw::Encoder::new().compress_vec(bytes).map_err(io::Error::other)
}

fn compress_xerial(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = XERIAL_MAGIC.to_vec();
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    for block in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let compressed = compress_bare_snappy(block)?;
        let length = i32::try_from(compressed.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}

/// Copies as much of `from` as fits.
fn copy_prefix(from: &[u8], out: &mut [u8]) -> usize {
    let count = from.len().min(out.len());
    if let (Some(from), Some(out)) = (from.get(..count), out.get_mut(..count)) {
        out.copy_from_slice(from);
    }
    count
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let texts: [Vec<u8>; 4] = [
            vec![],
            b"x".to_vec(),
            vec![7; 300_000],
            (0..200_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect(),
        ];
        for codec in Codec::ALL {
            for text in &texts {
                let compressed = compress(codec, text).unwrap();
                assert_eq!(decompress(codec, &compressed, text.len()).as_ref(), Ok(text), "{codec:?}");
                if let Some(less) = text.len().checked_sub(1) {
                    assert_eq!(
                        decompress(codec, &compressed, less),
                        Err(BatchFault::Bomb { max: less as u64 })
                    );
                }
            }
        }
    }

    #[test]
    fn bare_snappy_is_read_too() {
        let text = vec![3; 100_000];
        let bare = compress_bare_snappy(&text).unwrap();
        assert_eq!(decompress(Codec::Snappy, &bare, 1 << 20), Ok(text));
    }

    #[test]
    fn a_snappy_block_larger_than_what_is_taken_is_not_decoded() {
        let mut bare = compress_bare_snappy(&[3; 100_000]).unwrap();
        // A copy from before the block's begin.
        bare.truncate(3);
        bare.extend_from_slice(&[0xff; 8_000]);
        assert_eq!(decompress(Codec::Snappy, &bare, 100_000), Err(BatchFault::Undecodable));
        assert_eq!(decompress(Codec::Snappy, &bare, 99_999), Err(BatchFault::Bomb { max: 99_999 }));
    }

    #[test]
    fn a_snappy_block_that_claims_gigabytes_is_refused() {
        // 0xffffffff uncompressed bytes, then one literal.
        let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61];
        assert_eq!(decompress(Codec::Snappy, &lie, usize::MAX), Err(BatchFault::Undecodable));
    }
}
