//! What several owners read for one fetch, each within the whole budget,
//! cut to what one of them alone would have read.

use bytes::Bytes;
use millrace_core::log::batch::LOG_OVERHEAD;

use crate::api::{FetchPartition, Fetched, FetchedPartition};

/// Drops batches that one owner alone would not have read: what is beyond the budget, and, but for the first
/// batch of all, beyond its partition's limit. Behind a partition whose batch finds too little room others
/// get what fits, as in Kafka.
pub(crate) fn keep_within(asked: &[FetchPartition], fetched: &mut [FetchedPartition], max_bytes: usize) {
    let mut left = max_bytes;
    let mut first = true;
    for (ask, partition) in asked.iter().zip(fetched) {
        let Ok(fetched) = &mut partition.result else { continue };
        // The first batch comes whatever its size, and where it is larger than the limit it came alone.
        let read: usize = fetched.records.iter().map(Bytes::len).sum();
        if !first && read > 0 {
            keep_batches(fetched, ask.max_bytes.min(left));
        }
        let bytes: usize = fetched.records.iter().map(Bytes::len).sum();
        fetched.unfilled_bytes += read - bytes;
        left = left.saturating_sub(bytes);
        first &= bytes == 0;
    }
}

/// Keeps the whole batches of the first `limit` bytes.
fn keep_batches(fetched: &mut Fetched, limit: usize) {
    let mut kept = whole_batches(&fetched.records, limit);
    fetched.records.retain_mut(|piece| {
        piece.truncate(kept);
        kept -= piece.len();
        !piece.is_empty()
    });
    if fetched.records.is_empty() {
        fetched.held_bytes = 0;
    }
}

/// How many bytes the whole batches have that lie below `limit`. Batches may go on in the next piece.
fn whole_batches(records: &[Bytes], limit: usize) -> usize {
    let bytes: usize = records.iter().map(Bytes::len).sum();
    if bytes <= limit {
        return bytes;
    }
    let mut ahead = Ahead { pieces: records, begin: 0 };
    let mut whole = 0;
    loop {
        let length = LENGTH_BYTES.map(|place| ahead.byte(whole + place));
        let [Some(a), Some(b), Some(c), Some(d)] = length else { return whole };
        let end = whole + LOG_OVERHEAD + u32::from_be_bytes([a, b, c, d]) as usize;
        if end > limit {
            return whole;
        }
        whole = end;
    }
}

/// Where a batch says how long it is behind these bytes.
const LENGTH_BYTES: [usize; 4] = [LOG_OVERHEAD - 4, LOG_OVERHEAD - 3, LOG_OVERHEAD - 2, LOG_OVERHEAD - 1];

/// Bytes of records, looked at from the first to the last.
struct Ahead<'a> {
    pieces: &'a [Bytes],
    /// Where the first of the pieces begins.
    begin: usize,
}

impl Ahead<'_> {
    /// No place may be asked for that lies in a piece before that of the last.
    fn byte(&mut self, place: usize) -> Option<u8> {
        while let Some((piece, rest)) = self.pieces.split_first() {
            match piece.get(place - self.begin) {
                Some(byte) => return Some(*byte),
                None => (self.begin, self.pieces) = (self.begin + piece.len(), rest),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_core::base::ids::{Offset, PartitionIndex, PartitionKey, TopicId};

    /// A batch of `bytes`.
    fn batch(bytes: usize) -> Vec<u8> {
        let mut batch = vec![0; bytes];
        batch[8..LOG_OVERHEAD].copy_from_slice(&((bytes - LOG_OVERHEAD) as u32).to_be_bytes());
        batch
    }

    /// Partitions as `limit: bytes of batches`, read into pieces of `piece` bytes; what is kept of each.
    fn kept(partitions: &str, max_bytes: usize, piece: usize) -> Vec<usize> {
        let mut asked = Vec::new();
        let mut fetched = Vec::new();
        for partition in partitions.split(',') {
            let (limit, sizes) = partition.split_once(':').unwrap();
            asked.push(FetchPartition {
                key: PartitionKey::new(TopicId::default(), PartitionIndex(asked.len() as i32)),
                offset: Offset(0),
                max_bytes: limit.trim().parse().unwrap(),
                current_leader_epoch: None,
            });
            let log: Vec<u8> =
                sizes.split_whitespace().flat_map(|size| batch(size.parse().unwrap())).collect();
            fetched.push(FetchedPartition {
                result: Ok(Fetched {
                    records: log.chunks(piece).map(Bytes::copy_from_slice).collect(),
                    held_bytes: log.len() as u64,
                    unfilled_bytes: 0,
                    high_watermark: Offset(0),
                    last_stable_offset: Offset(0),
                    log_start_offset: Offset(0),
                }),
            });
        }
        keep_within(&asked, &mut fetched, max_bytes);
        let fetched: Vec<Fetched> = fetched.into_iter().map(|partition| partition.result.unwrap()).collect();
        for partition in &fetched {
            assert_eq!(partition.held_bytes == 0, partition.records.is_empty());
        }
        fetched.iter().map(|partition| partition.records.iter().map(Bytes::len).sum()).collect()
    }

    #[test]
    fn whole_batches_are_kept_that_fit() {
        let cases: [(&str, usize, &[usize]); 10] = [
            // Within one budget, and of the last that does not fit whole what does.
            ("100: 40 40, 100: 40 40", 200, &[80, 80]),
            ("100: 40 40, 100: 40 40", 159, &[80, 40]),
            ("100: 40 40, 100: 40 40", 120, &[80, 40]),
            ("100: 40 40, 100: 40 40", 119, &[80, 0]),
            // The first batch of all is kept whatever its size, those of others are not.
            ("0: 40, 0: 40", 200, &[40, 0]),
            ("100: 90, 100: 90", 1, &[90, 0]),
            // As the first counts who has any.
            ("100:, 100: 90, 100: 90", 1, &[0, 90, 0]),
            // Behind one that waits for room, or is held by its own limit, others get what fits.
            ("100: 40, 100: 90, 100: 50", 100, &[40, 0, 50]),
            ("100: 40, 100: 90, 100: 61", 100, &[40, 0, 0]),
            ("100: 40, 60: 90, 100: 50", 100, &[40, 0, 50]),
        ];
        for (partitions, max_bytes, expected) in cases {
            for piece in [1, 7, 40, 1000] {
                assert_eq!(kept(partitions, max_bytes, piece), expected, "{partitions} within {max_bytes}");
            }
        }
    }
}
