//! Examples from the cases of `clients/parity`: every request that they send,
//! and the batches in those that produce.

use bytes::Bytes;
use millrace_wire::conn::decode_request_header;
use millrace_wire::messages::produce_request::ProduceRequest;
use millrace_wire::{ApiKey, Reader};

/// Longer ones are long for the sake of a limit, and slow for no more.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// Header and body of each request.
pub(super) fn frames() -> Vec<Vec<u8>> {
    let seeds = match millrace_parity::seeds() {
        Ok(seeds) => seeds,
        Err(reason) => unreachable!("the cases of the repository are in order, which a test says: {reason}"),
    };
    seeds.into_iter().map(|seed| seed.frame).filter(|frame| frame.len() <= FRAME_BYTES_MAX).collect()
}

/// What produce requests bring to their partitions: most of the batches are broken in one way each.
pub(super) fn batches() -> Vec<Vec<u8>> {
    frames().into_iter().flat_map(|frame| batches_of(&Bytes::from(frame))).collect()
}

fn batches_of(frame: &Bytes) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(frame);
    let Ok((ApiKey::Produce, header)) = decode_request_header(&mut reader) else { return Vec::new() };
    let Ok(request) = ProduceRequest::decode(&mut reader, header.request_api_version) else {
        return Vec::new();
    };
    let partitions = request.topic_data.into_iter().flat_map(|topic| topic.partition_data);
    partitions.filter_map(|partition| Some(partition.records?.into_bytes().to_vec())).collect()
}
