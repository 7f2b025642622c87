//! A coordinator out of its partition of the offsets topic.

use std::rc::Rc;

use millrace_core::base::ids::{Offset, PartitionKey};
use millrace_core::coord::{Coordinator, CoordinatorRecord, Loader};
use millrace_core::log::batch::{Batch, BatchWalk};
use millrace_core::log::compression::decompress;
use millrace_core::log::records::Records;
use millrace_core::meta::OFFSETS_TOPIC;

use crate::api::{FetchError, FetchPartition};
use crate::groups::coordinators::{Hosted, now};
use crate::groups::host::GroupHost;
use crate::mesh::requests::{FirstBatch, ReadRequest};

/// Read at a time, and held while its records are taken in.
const READ_BYTES: usize = 1024 * 1024;
/// What the records of one batch may come to. The broker itself writes no larger ones.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a coordinator cannot be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadFault {
    #[error(transparent)]
    Read(#[from] FetchError),
    #[error("the batch at offset {0} does not decode: {1}")]
    Batch(Offset, String),
}

impl GroupHost {
    /// Loads what earlier runs left, one partition after another.
    pub(crate) async fn load_all(self: Rc<Self>) {
        let topic = self.image.get().topic(OFFSETS_TOPIC).map(|topic| topic.keys().collect::<Vec<_>>());
        for key in topic.unwrap_or_default() {
            let is_mine = self.table.get(key).is_some();
            if is_mine && !self.groups.hosted.borrow().contains_key(&key) {
                self.groups.hosted.borrow_mut().insert(key, Hosted::Loading);
                Rc::clone(&self).load(key).await;
            }
        }
    }

    /// From now on the partition is loading, or, where nothing was ever written to it, serves.
    pub(super) fn begin_loading(self: &Rc<Self>, key: PartitionKey) {
        let is_blank = self.table.get(key).is_some_and(|it| it.borrow().ends.high_watermark == Offset::ZERO);
        if is_blank {
            self.groups.host(key, Coordinator::new(self.groups.settings(), now()));
        } else {
            self.groups.hosted.borrow_mut().insert(key, Hosted::Loading);
            millrace_rt::spawn(Rc::clone(self).load(key));
        }
    }

    async fn load(self: Rc<Self>, key: PartitionKey) {
        let begun = millrace_rt::now();
        let mut loader = Loader::new(self.groups.settings(), now());
        let loaded = self.replay(key, &mut loader).await;
        let mut hosted = self.groups.hosted.borrow_mut();
        if !matches!(hosted.get(&key), Some(Hosted::Loading)) {
            // The topic, or the shard, went meanwhile.
            return;
        }
        match loaded {
            Ok(records) => {
                let mut actions = Vec::new();
                loader.follow(self.groups.settings());
                let coordinator = loader.finish(now(), &mut actions);
                drop(hosted);
                self.groups.host(key, coordinator);
                let took = millrace_rt::now() - begun;
                tracing::info!(%key, records, ms = took.as_millis() as u64, "groups loaded");
                self.carry_out(key, actions);
            }
            Err(error) => {
                // The next request tries again.
                hosted.remove(&key);
                self.groups.counters.load_failures.update(|count| count + 1);
                tracing::error!(%key, %error, "groups could not be loaded; their clients are told to wait");
            }
        }
    }

    /// Feeds every record below the high watermark; returns how many there were.
    async fn replay(&self, key: PartitionKey, loader: &mut Loader) -> Result<u64, LoadFault> {
        let Some(partition) = self.table.get(key) else { return Err(FetchError::UnknownPartition.into()) };
        let (mut at, end) = {
            let partition = partition.borrow();
            (partition.ends.log_start_offset, partition.ends.high_watermark)
        };
        let mut count = 0;
        while at < end {
            let bytes = self.read_some(key, at).await?;
            let before = at;
            for batch in BatchWalk::new(&bytes) {
                let batch = batch.map_err(|fault| LoadFault::Batch(at, fault.to_string()))?;
                count += replay_batch(&batch, at, loader)?;
                at = batch.header.next_offset();
            }
            if at == before {
                // Compaction left nothing up to the end.
                break;
            }
            millrace_rt::yield_now().await;
        }
        Ok(count)
    }

    async fn read_some(&self, key: PartitionKey, offset: Offset) -> Result<Vec<u8>, FetchError> {
        let partition = FetchPartition { key, offset, max_bytes: READ_BYTES, current_leader_epoch: None };
        let ask = ReadRequest {
            partitions: vec![partition],
            budget_bytes: READ_BYTES,
            first: FirstBatch::Always,
            enough_bytes: READ_BYTES,
        };
        let fetched =
            self.reader.read(ask).await.pop().map_or(Err(FetchError::UnknownPartition), |it| it.result)?;
        Ok(fetched.records.concat())
    }
}

/// Feeds the records of a batch from offset `from` on. What is no record of a group is passed over,
/// as Kafka does.
fn replay_batch(batch: &Batch<'_>, from: Offset, loader: &mut Loader) -> Result<u64, LoadFault> {
    let header = &batch.header;
    if header.attributes.is_control() {
        return Ok(0);
    }
    let fault = |error: String| LoadFault::Batch(header.base_offset, error);
    let codec = header.attributes.codec().map_err(|error| fault(error.to_string()))?;
    let body = decompress(codec, batch.body(), BATCH_BYTES_MAX).map_err(|error| fault(error.to_string()))?;
    let mut count = 0;
    for record in Records::new(&body, header.records_count) {
        let record = record.map_err(|error| fault(error.to_string()))?;
        if header.base_offset.0 + i64::from(record.offset_delta) < from.0 {
            continue;
        }
        let Some(key) = record.key else { continue };
        if let Some(record) =
            CoordinatorRecord::decode(key, record.value).map_err(|error| fault(error.to_string()))?
        {
            loader.replay(&record);
            count += 1;
        }
    }
    Ok(count)
}
