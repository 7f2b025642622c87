//! Record batches of magic 2, uncompressed, as a plain producer sends them.

use millrace_codec::varint::put_i64;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Where the checksum stands, and where the bytes begin that it covers.
const CHECKSUM_AT: usize = 17;
const COVERED_AT: usize = 21;
/// Where the length stands, and where the bytes begin that it counts.
const LENGTH_AT: usize = 8;
const COUNTED_AT: usize = 12;
const MAGIC: u8 = 2;
const NONE: i64 = -1;

/// One batch with a record for each value, without keys, all of the time `timestamp_ms`.
pub(crate) fn encode_batch(values: &[&[u8]], timestamp_ms: i64) -> Vec<u8> {
    let count = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let mut records = Vec::with_capacity(values.iter().map(|value| value.len() + 16).sum::<usize>());
    let mut body = Vec::new();
    for (delta, value) in (0..).zip(values) {
        body.clear();
        // Attributes, timestamp delta, offset delta, null key, value, number of headers.
        body.push(0);
        put_i64(&mut body, 0);
        put_i64(&mut body, delta);
        put_i64(&mut body, -1);
        put_i64(&mut body, value.len() as i64);
        body.extend_from_slice(value);
        put_i64(&mut body, 0);
        put_i64(&mut records, body.len() as i64);
        records.extend_from_slice(&body);
    }
    pack_batch(0, count, &records, timestamp_ms)
}

/// One batch of `count` records that stand in `body` as these attributes say.
pub(crate) fn pack_batch(attributes: u16, count: i32, body: &[u8], timestamp_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 64);
    out.extend_from_slice(&0_i64.to_be_bytes());
    out.extend_from_slice(&0_i32.to_be_bytes());
    out.extend_from_slice(&(-1_i32).to_be_bytes());
    out.push(MAGIC);
    out.extend_from_slice(&0_u32.to_be_bytes());
    out.extend_from_slice(&attributes.to_be_bytes());
    out.extend_from_slice(&(count - 1).to_be_bytes());
    out.extend_from_slice(&timestamp_ms.to_be_bytes());
    out.extend_from_slice(&timestamp_ms.to_be_bytes());
    out.extend_from_slice(&NONE.to_be_bytes());
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    out.extend_from_slice(&(-1_i32).to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(body);
    let length = u32::try_from(out.len() - COUNTED_AT).unwrap_or(u32::MAX);
    out[LENGTH_AT..COUNTED_AT].copy_from_slice(&length.to_be_bytes());
    let checksum = crc32c::crc32c(&out[COVERED_AT..]);
    out[CHECKSUM_AT..COVERED_AT].copy_from_slice(&checksum.to_be_bytes());
    out
}

/// Whether a stored batch is the one sent: a broker assigns offset and leader epoch,
/// which stand before the magic.
pub(crate) fn same_records(sent: &[u8], stored: &[u8]) -> bool {
    sent.len() == stored.len() && sent.get(CHECKSUM_AT - 1..) == stored.get(CHECKSUM_AT - 1..)
}

/// `count` values of `bytes` random bytes each; the same seed gives the same values.
pub(crate) fn values(count: usize, bytes: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let value = |_| {
        let mut value = vec![0; bytes];
        random.fill_bytes(&mut value);
        value
    };
    (0..count).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_kafkas_fields_at_their_places() {
        let batch = encode_batch(&[b"ab", b"c"], 7);
        let records = [16, 0, 0, 0, 1, 4, b'a', b'b', 0, 14, 0, 0, 2, 1, 2, b'c', 0];
        assert_eq!(batch[61..], records);
        assert_eq!(batch[8..12], ((batch.len() - 12) as u32).to_be_bytes());
        assert_eq!((batch[16], &batch[23..27], &batch[57..61]), (2, &[0, 0, 0, 1][..], &[0, 0, 0, 2][..]));
        assert_eq!(batch[17..21], crc32c::crc32c(&batch[21..]).to_be_bytes());
        let mut stored = batch.clone();
        stored[7] = 9;
        assert!(same_records(&batch, &stored));
        stored[70] ^= 1;
        assert!(!same_records(&batch, &stored));
    }
}
