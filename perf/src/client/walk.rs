//! What a fetch answer holds, read from the headers of its batches alone.

/// Where the length of a batch stands, where the bytes begin that it counts,
/// and where the last offset's delta stands.
const LENGTH_AT: usize = 8;
const COUNTED_AT: usize = 12;
const LAST_DELTA_AT: usize = 23;

/// The offset behind the last whole batch, if there is one.
pub(crate) fn next_offset(mut batches: &[u8]) -> Option<i64> {
    let mut next = None;
    while let Some((size, end)) = first_batch(batches) {
        next = Some(end);
        batches = &batches[size..];
    }
    next
}

/// Size of the first batch and the offset behind it; `None` if it is not there whole.
fn first_batch(batches: &[u8]) -> Option<(usize, i64)> {
    let length = u32::from_be_bytes(*batches.get(LENGTH_AT..)?.first_chunk()?);
    let size = COUNTED_AT + usize::try_from(length).ok()?;
    let base = i64::from_be_bytes(*batches.first_chunk()?);
    let delta = i32::from_be_bytes(*batches.get(LAST_DELTA_AT..)?.first_chunk()?);
    (size <= batches.len()).then_some((size, base + i64::from(delta) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::encode_batch;

    #[test]
    fn a_batch_that_is_cut_off_does_not_count() {
        let mut batches = encode_batch(&[b"a", b"b"], 0);
        batches[..8].copy_from_slice(&40_i64.to_be_bytes());
        let whole = batches.len();
        batches.extend(encode_batch(&[b"c"], 0));
        batches[whole..whole + 8].copy_from_slice(&42_i64.to_be_bytes());
        let cases = [(batches.len(), Some(43)), (batches.len() - 1, Some(42)), (whole, Some(42)), (30, None)];
        for (bytes, expected) in cases {
            assert_eq!(next_offset(&batches[..bytes]), expected, "{bytes}");
        }
    }
}
