//! The four compressions of records, each in the framing that Kafka's clients use.
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, Read, Write};

/// Records of a case stay far below this when decompressed.
const DECOMPRESSED_BYTES_MAX: u64 = 64 << 20;
/// How the Java snappy stream opens: magic, version 1, compatible with 1.
const SNAPPY_STREAM: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const NAMES: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

pub(crate) fn number_of_codec(name: &str) -> Result<usize, String> {
    NAMES.iter().position(|n| *n == name).ok_or_else(|| format!("there is no codec {name}"))
}

/// The codec's name, or its number where Kafka has none.
pub(crate) fn name_of_codec(number: usize) -> String {
    NAMES.get(number).map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// Numbers without a codec leave the bytes as they are.
pub(crate) fn compress(codec: usize, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let compressed = match codec {
        1 => {
            let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(bytes).and_then(|()| gzip.finish())
        }
        2 => compress_snappy(bytes),
        3 => {
            let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
            lz4.write_all(bytes).and_then(|()| lz4.finish().map_err(io::Error::other))
        }
        4 => zstd::bulk::compress(bytes, 3),
        _ => Ok(bytes.to_vec()),
    };
    compressed.map_err(|e| format!("compression: {e}"))
}

pub(crate) fn decompress(codec: usize, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let decompressed = match codec {
        1 => bounded(GzDecoder::new(bytes)),
        2 => decompress_snappy(bytes),
        3 => bounded(lz4_flex::frame::FrameDecoder::new(bytes)),
        4 => zstd::stream::Decoder::new(bytes).and_then(bounded),
        _ => Ok(bytes.to_vec()),
    };
    decompressed.map_err(|e| format!("decompression: {e}"))
}

fn bounded(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(DECOMPRESSED_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn compress_snappy(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let block = snap::raw::Encoder::new().compress_vec(bytes)?;
    let mut stream = SNAPPY_STREAM.to_vec();
    stream.extend((block.len() as u32).to_be_bytes());
    stream.extend(block);
    Ok(stream)
}

fn decompress_snappy(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = snap::raw::Decoder::new();
    let Some(mut blocks) = bytes.strip_prefix(&SNAPPY_STREAM) else {
        return Ok(decoder.decompress_vec(bytes)?);
    };
    let mut whole = Vec::new();
    while let Some((length, rest)) = blocks.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((block, rest)) = rest.split_at_checked(length) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        whole.extend(decoder.decompress_vec(block)?);
        blocks = rest;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_reads_back() {
        let bytes = b"abc".repeat(1000);
        for codec in 0..NAMES.len() {
            let compressed = compress(codec, &bytes).unwrap();
            assert_eq!(decompress(codec, &compressed).unwrap(), bytes, "{}", name_of_codec(codec));
        }
    }
}
