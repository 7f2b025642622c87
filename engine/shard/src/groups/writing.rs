//! Records of groups into their partition of the offsets topic, and the word back to the coordinator.

use std::rc::Rc;

use bytes::Bytes;
use millrace_core::base::ids::{PartitionKey, TimestampMs};
use millrace_core::coord::records::{EncodeError, EncodedRecord};
use millrace_core::coord::{Action, CoordinatorRecord, WriteFault, WriteId};
use millrace_core::log::BatchFault;
use millrace_core::log::builder::{BatchBuilder, BatchRecord};
use millrace_core::log::compression::Codec;

use crate::api::{AppendError, AppendPartition, Outcome, Planted};
use crate::commit::outcomes::{AppendOutcomes, AppendTicket, Part, Source};
use crate::groups::coordinators::{Writing, now};
use crate::groups::host::GroupHost;

/// The broker's own batches may use every codec.
const NEWEST_PRODUCE_VERSION: i16 = i16::MAX;

impl GroupHost {
    /// Does what a coordinator wants done.
    pub(super) fn carry_out(self: &Rc<Self>, key: PartitionKey, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply { token, answer } => {
                    self.groups.with_serving(key, |serving| serving.respond(token, answer.into()));
                }
                Action::Write { id, records } => self.write_records(key, id, &records),
            }
        }
    }

    /// Appends the records as one batch. What becomes of it the coordinator learns in the order of the
    /// writes.
    pub(super) fn write_records(
        self: &Rc<Self>,
        key: PartitionKey,
        id: WriteId,
        records: &[CoordinatorRecord],
    ) {
        let is_of_consumers =
            |record: &CoordinatorRecord| matches!(record, CoordinatorRecord::Consumer { .. });
        let is_trusted =
            self.planted.is(Planted::TrustsFailedGroupWrites) && records.iter().all(is_of_consumers);
        let writing = match batch_of(records) {
            Ok(_) if self.planted.is(Planted::ForgetsGroupWrites) => Writing::Forgotten,
            Ok(records) => {
                let outcomes = AppendOutcomes::local(1);
                self.admission.admit(
                    vec![AppendPartition { key, records, produce_version: NEWEST_PRODUCE_VERSION }],
                    &outcomes,
                );
                let part = Part { places: vec![0], source: Source::Local(outcomes) };
                let ticket = AppendTicket::new(1, vec![part]);
                if is_trusted { Writing::Trusted(ticket) } else { Writing::Appended(ticket) }
            }
            Err(error) => {
                tracing::warn!(%key, %error, "a change of a group is too large for the offsets topic");
                Writing::Refused(WriteFault::TooLarge)
            }
        };
        let mut is_unwatched = false;
        self.groups.with_serving(key, |serving| {
            serving.writes.push_back((id, writing));
            is_unwatched = !std::mem::replace(&mut serving.is_watched, true);
        });
        if is_unwatched {
            millrace_rt::spawn(Rc::clone(self).watch_writes(key));
        }
    }

    /// Tells the coordinator what became of its writes, until none is under way.
    async fn watch_writes(self: Rc<Self>, key: PartitionKey) {
        loop {
            let mut oldest = None;
            self.groups.with_serving(key, |serving| {
                oldest = serving.writes.pop_front();
                serving.is_watched = oldest.is_some();
            });
            // Nothing: all are known, or the coordinator is gone.
            let Some((id, writing)) = oldest else { return };
            let result = match writing {
                Writing::Appended(ticket) => written(&ticket.await),
                Writing::Refused(fault) => Err(fault),
                Writing::Forgotten => Ok(()),
                Writing::Trusted(ticket) => {
                    ticket.await;
                    Ok(())
                }
            };
            let mut actions = Vec::new();
            self.groups.with_serving(key, |serving| {
                serving.coordinator.written(now(), id, result, &mut actions);
            });
            self.carry_out(key, actions);
        }
    }
}

fn batch_of(records: &[CoordinatorRecord]) -> Result<Bytes, EncodeError> {
    let timestamp = TimestampMs(millrace_rt::wall_now_ms());
    let mut batch = BatchBuilder::new(Codec::None);
    for record in records {
        let EncodedRecord { key, value } = record.encode()?;
        batch.push(BatchRecord { timestamp, key: Some(&key), value: value.as_deref(), headers: &[] });
    }
    Ok(batch.build().into())
}

fn written(outcomes: &[Outcome]) -> Result<(), WriteFault> {
    match outcomes.first() {
        Some(Ok(_)) => Ok(()),
        Some(Err(AppendError::Batch(
            BatchFault::MessageTooLarge { .. } | BatchFault::LargerThanSegment { .. },
        ))) => Err(WriteFault::TooLarge),
        Some(Err(AppendError::UnknownPartition)) | None => Err(WriteFault::NotLeader),
        Some(Err(error)) => {
            tracing::warn!(%error, "a change of a group could not be stored");
            Err(WriteFault::Unavailable)
        }
    }
}
