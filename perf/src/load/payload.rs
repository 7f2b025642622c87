//! Batches encoded ahead of a run, and the requests that carry them.

use std::sync::Arc;

use bytes::Bytes;

use crate::client::{Acks, Frame, encode_batch, encode_produce, values};
use crate::clock;
use crate::error::ClientError;

/// Different payloads in turn, so that no cache of the processor holds one,
/// and no compression finds it again.
const PAYLOADS: u64 = 4;
/// Around the value of a record besides two lengths, at most: attributes, deltas, empty key and headers.
const RECORD_OVERHEAD_BYTES: usize = 7;
const BATCH_HEADER_BYTES: usize = 61;

/// What the batches of a load look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchShape {
    pub(crate) value_bytes: usize,
    pub(crate) records: usize,
}

/// As many records as fit in a batch of that size, at least one.
pub(crate) fn records_in_batch(value_bytes: usize, batch_bytes: usize) -> usize {
    let record = value_bytes + RECORD_OVERHEAD_BYTES + 2 * length_bytes(value_bytes + RECORD_OVERHEAD_BYTES);
    (batch_bytes.saturating_sub(BATCH_HEADER_BYTES) / record).max(1)
}

/// What a length takes: zigzag, seven bits a byte.
fn length_bytes(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros() + 1;
    bits.div_ceil(7) as usize
}

/// Batches of random bytes.
pub(super) fn batches(shape: BatchShape) -> Vec<Bytes> {
    let batch = |seed| {
        let values = values(shape.records, shape.value_bytes, seed);
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        Bytes::from(encode_batch(&values, clock::wall_ms()))
    };
    (0..PAYLOADS).map(batch).collect()
}

/// The requests of one connection, to be sent in turn: each partition comes as often, with every payload in
/// its time. They share the batches, so that those for thousands of partitions take no more memory than those
/// for one.
pub(super) fn frames(
    version: i16,
    acks: Acks,
    topic: &str,
    partitions: &[i32],
    partitions_each: usize,
    batches: &[Bytes],
) -> Result<Vec<Arc<Frame>>, ClientError> {
    let parts: Vec<&[i32]> = partitions.chunks(partitions_each.max(1)).collect();
    // With few parts each gets every payload.
    let rounds = batches.len().div_ceil(parts.len().max(1));
    let mut payloads = batches.iter().cycle();
    let mut frames = Vec::new();
    for part in parts.iter().cycle().take(rounds * parts.len()) {
        let Some(payload) = payloads.next() else { break };
        let batches: Vec<(i32, Bytes)> = part.iter().map(|partition| (*partition, payload.clone())).collect();
        frames.push(Arc::new(encode_produce(version, acks, topic, &batches)?));
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_within_their_size() {
        for (value, batch, records) in [(1024, 65_536, 63), (100, 16_384, 147), (1_000_000, 16_384, 1)] {
            assert_eq!(records_in_batch(value, batch), records, "{value} in {batch}");
        }
        for (value_bytes, limit) in [(1024, 65_536), (100, 16_384), (1, 1_000_000), (8000, 100_000)] {
            let shape = BatchShape { value_bytes, records: records_in_batch(value_bytes, limit) };
            let bytes = batches(shape)[0].len();
            assert!((limit * 7 / 10..=limit).contains(&bytes), "{bytes} of {limit}");
        }
    }

    #[test]
    fn requests_share_their_batches() {
        let batches = batches(BatchShape { value_bytes: 100, records: 10 });
        let partitions: Vec<i32> = (0..1000).collect();
        let frames = frames(9, Acks::All, "t", &partitions, 2, &batches).unwrap();
        assert_eq!(frames.len(), 500);
        let shared =
            |frame: &Arc<Frame>| frame.rest().iter().filter(|piece| piece.len() == batches[0].len()).count();
        assert!(frames.iter().all(|frame| shared(frame) == 2));
        // One partition gets all payloads in turn.
        assert_eq!(super::frames(9, Acks::All, "t", &[7], 1, &batches).unwrap().len(), batches.len());
    }
}
