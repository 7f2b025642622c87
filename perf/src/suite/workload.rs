//! Requests that several figures send.

use std::time::Duration;

use bytes::Bytes;

use super::rig::Contender;
use crate::client::{Frame, Produce, encode_batch, produce_frame, values};
use crate::clock;
use crate::error::ClientError;

/// Of one record.
pub(crate) const VALUE_BYTES: usize = 1024;
/// With these records of 1 KiB a batch stays just below 64 KiB.
pub(crate) const BATCH_RECORDS: usize = 63;
/// Requests before the first that counts: connections, caches and a JVM's compiler settle.
const WARM_UP: Duration = Duration::from_millis(500);

/// A batch of records of `VALUE_BYTES` random bytes.
pub(crate) fn batch(records: usize, seed: u64) -> Bytes {
    let values = values(records, VALUE_BYTES, seed);
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    encode_batch(&values, clock::wall_ms()).into()
}

/// A request with one record for each of the topic's first partitions.
pub(crate) fn one_record_each(
    topic: &str,
    partitions: i32,
    value_bytes: usize,
) -> Result<Frame, ClientError> {
    let record = |partition: i32| {
        let values = values(1, value_bytes, u64::from(partition.unsigned_abs()));
        (partition, Bytes::from(encode_batch(&[&values[0]], clock::wall_ms())))
    };
    produce_frame(topic, &(0..partitions).map(record).collect::<Vec<_>>())
}

/// A topic of the contender with a request to all its partitions, which was sent for a while.
pub(crate) fn warmed_up(
    contender: &Contender,
    topic: &str,
    partitions: i32,
    value_bytes: usize,
) -> Result<Produce, ClientError> {
    contender.create(topic, partitions)?;
    let mut produce = Produce::new(contender.address, one_record_each(topic, partitions, value_bytes)?)?;
    let end = clock::now() + WARM_UP;
    while clock::now() < end {
        produce.once()?;
    }
    Ok(produce)
}
