//! Puts a batch into the codec that its topic asks for (`compression.type`) instead of the producer's.

use super::batch::{self, RECORD_BATCH_OVERHEAD};
use super::compression::{self, Codec};
use super::fault::BatchFault;
use super::validate::ValidBatch;

/// Bound of a batch's records once decompressed: what one broker may be made to hold for one append.
pub const RECORDS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The codec named by a `compression.type`; none for `producer`, which keeps what arrived.
pub fn codec_of_type(compression_type: &str) -> Option<Codec> {
    match compression_type {
        "uncompressed" => Some(Codec::None),
        "gzip" => Some(Codec::Gzip),
        "snappy" => Some(Codec::Snappy),
        "lz4" => Some(Codec::Lz4),
        "zstd" => Some(Codec::Zstd),
        _ => None,
    }
}

/// The batch, whole, with its records in `codec`, and its header; none where they are in that codec already.
/// `bytes` is what was validated.
pub fn recompress(
    valid: &ValidBatch,
    bytes: &[u8],
    codec: Codec,
) -> Result<Option<(ValidBatch, Vec<u8>)>, BatchFault> {
    let sent = valid.header.attributes.codec()?;
    if sent == codec {
        return Ok(None);
    }
    let body = bytes.get(RECORD_BATCH_OVERHEAD..valid.size()).unwrap_or_default();
    let records = compression::decompress(sent, body, RECORDS_BYTES_MAX)?;
    let stored = compression::compress(codec, &records).map_err(|_| BatchFault::Undecodable)?;
    let size = RECORD_BATCH_OVERHEAD + stored.len();
    let mut header = valid.header;
    header.attributes = header.attributes.with_codec(codec);
    header.length = i32::try_from(size - batch::LOG_OVERHEAD).map_err(|_| BatchFault::Undecodable)?;
    header.checksum = batch::checksum_of(&header.encode(), &stored);
    let mut whole = Vec::with_capacity(size);
    whole.extend_from_slice(&header.encode());
    whole.extend_from_slice(&stored);
    Ok(Some((ValidBatch { header, ..*valid }, whole)))
}

#[cfg(test)]
mod tests {
    use super::super::batch::Batch;
    use super::super::builder::{BatchBuilder, BatchRecord};
    use super::*;
    use crate::base::TimestampMs;
    use crate::log::{TimestampType, Validation, ValidationRules, validate, validate::Compacted};

    const RULES: ValidationRules = ValidationRules {
        now: TimestampMs(1_000),
        validation: Validation::Full,
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
        compacted: Compacted::No,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        produce_version: 9,
    };

    fn batch_of(codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::new(codec);
        for n in 0..50i64 {
            builder.push(BatchRecord::of_value(TimestampMs(n), b"the same value again and again"));
        }
        builder.build()
    }

    #[test]
    fn every_codec_becomes_every_other_and_still_validates() {
        let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
        for from in codecs {
            let bytes = batch_of(from);
            let valid = validate(&bytes, &RULES).unwrap();
            for to in codecs {
                match recompress(&valid, &bytes, to).unwrap() {
                    None => assert_eq!(from, to),
                    Some((stored, whole)) => {
                        assert_ne!(from, to);
                        assert_eq!(stored.size(), whole.len());
                        Batch::parse(&whole).unwrap().verify_checksum().unwrap();
                        let again = validate(&whole, &RULES).unwrap();
                        assert_eq!(again.header, stored.header);
                        assert_eq!(again.header.attributes.codec(), Ok(to));
                    }
                }
            }
        }
    }
}
