//! Reads partitions through the engine's service surface, batch by batch.

use std::fmt;
use std::time::Duration;

use millrace_core::base::{Offset, PartitionKey};
use millrace_core::log::BatchWalk;
use millrace_shard::{FetchError, FetchPartition, FetchQuery, Isolation, OffsetAsk, OffsetQuery, Shard};

use crate::promises::Stored;

/// Kafka's newest produce request when this was written.
pub(crate) const PRODUCE_VERSION: i16 = 12;
const FETCH_BYTES: usize = 1 << 20;

/// Why nothing was read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The disk failed; it may be read again.
    Storage,
    Refused(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Storage => f.write_str("the disk could not be read"),
            Unread::Refused(reason) => f.write_str(reason),
        }
    }
}

impl From<FetchError> for Unread {
    fn from(error: FetchError) -> Unread {
        match error {
            FetchError::Storage => Unread::Storage,
            other => Unread::Refused(other.to_string()),
        }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Unread {
        Unread::Refused(reason)
    }
}

impl From<&str> for Unread {
    fn from(reason: &str) -> Unread {
        Unread::Refused(reason.to_owned())
    }
}

/// A batch, its checksum, and the offset behind it.
pub(crate) type Fetched = (Stored, u32, Offset);

/// What one fetch brings, and the high watermark.
pub(crate) async fn fetch(
    shard: &Shard,
    key: PartitionKey,
    offset: Offset,
    max_wait: Duration,
) -> Result<(Vec<Fetched>, Offset), Unread> {
    let partition = FetchPartition { key, offset, max_bytes: FETCH_BYTES, current_leader_epoch: None };
    let query = FetchQuery {
        partitions: vec![partition],
        max_wait,
        min_bytes: 1,
        max_bytes: FETCH_BYTES,
        isolation: Isolation::ReadUncommitted,
    };
    let answer = shard.fetch(query).await.into_iter().next();
    let fetched = answer.ok_or("a fetch without an answer")?.result?;
    let bytes = fetched.records.concat();
    let mut stored = Vec::new();
    for batch in BatchWalk::new(&bytes) {
        let batch = batch
            .map_err(|fault| Unread::Refused(format!("what was read at {offset} is no batch: {fault}")))?;
        let header = batch.header;
        let bytes = batch.bytes.to_vec();
        stored.push((
            Stored { base_offset: header.base_offset, bytes },
            header.checksum,
            header.next_offset(),
        ));
    }
    Ok((stored, fetched.high_watermark))
}

/// A partition from its first offset to its end.
pub(crate) async fn read_whole(shard: &Shard, key: PartitionKey) -> Result<Vec<Stored>, Unread> {
    let ask = OffsetAsk {
        key,
        query: OffsetQuery::Latest,
        isolation: Isolation::ReadUncommitted,
        current_leader_epoch: None,
    };
    let latest = shard.list_offsets(vec![ask]).await.into_iter().next().ok_or("no answer to list_offsets")?;
    let latest = latest?.offset;
    let mut log = Vec::new();
    let mut next = Offset::ZERO;
    while next < latest {
        let (stored, _) = fetch(shard, key, next, Duration::ZERO).await?;
        if stored.is_empty() {
            return Err(Unread::Refused(format!(
                "nothing can be read at {next}, and the log ends at {latest}"
            )));
        }
        for (stored, _, end) in stored {
            log.push(stored);
            next = end;
        }
    }
    Ok(log)
}
