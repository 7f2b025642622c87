//! Walks the record batches inside an append's payload: digests their headers while sealing,
//! checks them whole at recovery.

use crate::base::limits::BATCH_HEADER_BYTES;
use millrace_codec::Fields;

/// Base offset and length field, which the batch's own length does not count.
const BATCH_PREFIX_BYTES: usize = 12;

/// From here to its end a batch is under its own CRC, which stands at 17.
const CRC_COVERS_FROM: usize = 21;

/// Digests the first 61 bytes of each batch of a payload that arrives in pieces cut anywhere.
pub(crate) struct HeaderDigest {
    checksum: u32,
    /// The beginning of the batch being walked.
    prefix: [u8; BATCH_PREFIX_BYTES],
    /// Bytes of the current batch seen so far.
    seen: usize,
    /// Base offset of the payload's first batch.
    first_base_offset: Option<i64>,
}

impl HeaderDigest {
    /// Goes on from `checksum`.
    pub(crate) fn new(checksum: u32) -> HeaderDigest {
        HeaderDigest { checksum, prefix: [0; BATCH_PREFIX_BYTES], seen: 0, first_base_offset: None }
    }

    /// The next piece of the payload. The batches were validated on arrival:
    /// one shorter than its header is a bug.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let end = if self.seen < BATCH_PREFIX_BYTES {
                BATCH_PREFIX_BYTES
            } else if self.seen < BATCH_HEADER_BYTES {
                BATCH_HEADER_BYTES
            } else {
                self.batch_bytes()
            };
            let (taken, rest) = piece.split_at(piece.len().min(end - self.seen));
            piece = rest;
            self.take(taken);
        }
    }

    /// The checksum with this payload's headers, and the first batch's base offset.
    pub(crate) fn finish(self) -> (u32, Option<i64>) {
        assert_eq!(self.seen, 0, "an append holds whole batches");
        (self.checksum, self.first_base_offset)
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.seen < BATCH_HEADER_BYTES {
            self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        }
        let place = self.prefix.get_mut(self.seen..).unwrap_or_default();
        for (to, from) in place.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.seen += bytes.len();
        if self.seen == BATCH_PREFIX_BYTES {
            assert!(self.batch_bytes() >= BATCH_HEADER_BYTES, "a batch is at least its header");
            if let Some(base) = self.prefix.first_chunk() {
                self.first_base_offset.get_or_insert(i64::from_be_bytes(*base));
            }
        }
        if self.seen >= BATCH_HEADER_BYTES && self.seen == self.batch_bytes() {
            self.seen = 0;
        }
    }

    /// Whole length of the current batch; known once its prefix was seen.
    fn batch_bytes(&self) -> usize {
        self.prefix.last_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize + BATCH_PREFIX_BYTES)
    }
}

/// What is wrong with an append's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchFlaw {
    /// Not a sequence of whole batches.
    Shape,
    /// A batch's bytes do not match its CRC.
    Checksum,
}

/// The headers' digest of a payload read back, going on from `checksum`, and the first flaw of its batches.
pub(crate) fn digest_headers(payload: &[u8], mut checksum: u32) -> Result<u32, BatchFlaw> {
    for batch in whole_batches(payload) {
        let header = batch?.get(..BATCH_HEADER_BYTES).ok_or(BatchFlaw::Shape)?;
        checksum = crc32c::crc32c_append(checksum, header);
    }
    Ok(checksum)
}

/// Whether every batch of the payload matches its own CRC.
pub(crate) fn verify_batches(payload: &[u8]) -> Result<(), BatchFlaw> {
    for batch in whole_batches(payload) {
        let batch = batch?;
        let stored = batch.get(17..).and_then(|from| from.first_chunk()).map(|crc| u32::from_be_bytes(*crc));
        let covered = batch.get(CRC_COVERS_FROM..).ok_or(BatchFlaw::Shape)?;
        if stored != Some(crc32c::crc32c(covered)) {
            return Err(BatchFlaw::Checksum);
        }
    }
    Ok(())
}

/// Cuts a payload into batches by their lengths; ends with an error where one does not fit.
fn whole_batches(payload: &[u8]) -> impl Iterator<Item = Result<&[u8], BatchFlaw>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(batch) = first_batch(rest) else {
            rest = &[];
            return Some(Err(BatchFlaw::Shape));
        };
        rest = rest.get(batch.len()..).unwrap_or_default();
        Some(Ok(batch))
    })
}

fn first_batch(bytes: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields::new(bytes);
    fields.u64()?;
    let length = u32::from_be_bytes(fields.array()?) as usize;
    let whole = length.checked_add(BATCH_PREFIX_BYTES)?;
    if whole < BATCH_HEADER_BYTES { None } else { bytes.get(..whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base_offset: i64, body: &[u8]) -> Vec<u8> {
        let mut batch = vec![0u8; BATCH_HEADER_BYTES];
        batch.extend_from_slice(body);
        let length = (batch.len() - BATCH_PREFIX_BYTES) as u32;
        batch[..8].copy_from_slice(&base_offset.to_be_bytes());
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = 2;
        let crc = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        batch
    }

    #[test]
    fn pieces_cut_anywhere_give_the_same_digest() {
        let payload = [batch(7, b""), batch(8, b"some records"), batch(9, &[5; 300])].concat();
        let whole = digest_headers(&payload, 11).unwrap();
        assert_eq!(verify_batches(&payload), Ok(()));
        for step in 1..payload.len() {
            let mut digest = HeaderDigest::new(11);
            payload.chunks(step).for_each(|piece| digest.feed(piece));
            assert_eq!(digest.finish(), (whole, Some(7)), "pieces of {step}");
        }
    }

    #[test]
    fn flaws_are_told_apart() {
        let payload = [batch(7, b"one"), batch(8, b"two")].concat();
        assert_eq!(digest_headers(&payload[..payload.len() - 1], 0), Err(BatchFlaw::Shape));
        assert_eq!(digest_headers(&payload[..20], 0), Err(BatchFlaw::Shape));
        let mut garbled = payload.clone();
        *garbled.last_mut().unwrap() ^= 1;
        assert_eq!(verify_batches(&garbled), Err(BatchFlaw::Checksum));
        assert_eq!(verify_batches(&[0; 80]), Err(BatchFlaw::Shape));
        assert_eq!(verify_batches(&[]), Ok(()));
    }
}
