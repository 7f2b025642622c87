//! Serves what other shards ask of this one.

use std::rc::Rc;

use millrace_rt::Incoming;

use crate::asks::SlowAsks;
use crate::message::{Answer, Ask, ReadAsk};
use crate::shard::Core;
use crate::ticket::Gathering;
use crate::watch::Waiter;

/// Reads from the disk are served by so many tasks at once. Each waits for what is its own; more would queue at the device.
pub(crate) const READERS: usize = 64;
/// Other asks that may wait, by so many.
pub(crate) const SERVERS: usize = 16;

impl Core {
    /// Takes asks from the lanes in order: appends are queued and what memory holds is read at once, what may wait goes to
    /// other tasks. Runs until the shard ends.
    pub(crate) async fn serve_mesh(self: Rc<Core>) {
        loop {
            let Incoming { request, respond, .. } = self.mesh.next().await;
            match request {
                Ask::Append(appends) => {
                    let gathering = Gathering::remote(appends.len(), respond);
                    self.admit_of_clients(appends, &gathering).await;
                }
                Ask::Watch(ask) => {
                    self.watch(ask, Waiter::Shard(respond));
                }
                Ask::Unwatch(id) => {
                    self.unwatch(id);
                    respond.send(Answer::Ready);
                }
                Ask::Arrival(parcel) => {
                    self.arrivals.push(parcel);
                    respond.send(Answer::Ready);
                }
                Ask::Group(ask) => self.ask_group(*ask, respond),
                Ask::Read(ask) if self.is_at_hand(&ask) => respond.send(self.answer_read(ask).await),
                read @ Ask::Read(_) => self.reads.push(read, respond),
                slow => self.slow.push(slow, respond),
            }
        }
    }

    async fn answer_read(&self, ask: ReadAsk) -> Answer {
        let begun = millrace_rt::now();
        let read = self.read(ask).await;
        Answer::Read(read, millrace_rt::now() - begun)
    }

    /// Serves asks that may wait. Several run at once; runs until the shard ends.
    pub(crate) async fn serve_slow(self: Rc<Core>, asks: fn(&Core) -> &SlowAsks) {
        loop {
            let (ask, respond) = asks(&self).next().await;
            let answer = match ask {
                Ask::Read(ask) => self.answer_read(ask).await,
                Ask::Offsets(asks) => Answer::Offsets(self.offsets(asks).await),
                Ask::Epochs(asks) => Answer::Epochs(self.epochs(&asks)),
                Ask::DeleteRecords(asks) => Answer::LogStarts(self.delete_records(asks).await),
                Ask::LogSizes(keys) => Answer::LogSizes(self.log_sizes(&keys).await),
                Ask::Producers(keys) => Answer::Producers(self.producers(&keys).await),
                Ask::Quorum => Answer::Quorum(self.metadata_quorum()),
                Ask::CreateTopics(topics, mode) => Answer::Topics(self.create_topics(topics, mode).await),
                Ask::CreatePartitions(more, mode) => Answer::Grown(self.create_partitions(more, mode).await),
                Ask::DeleteTopics(topics) => Answer::Deleted(self.delete_topics(topics).await),
                Ask::AlterConfigs(changes, mode) => Answer::Altered(self.alter_configs(changes, mode).await),
                Ask::AlterClientQuotas(changes, mode) => {
                    Answer::AlteredQuotas(self.alter_client_quotas(changes, mode).await)
                }
                Ask::UpdateFeatures(updates, mode) => {
                    Answer::Features(self.update_features(updates, mode).await)
                }
                Ask::ListGroups(keys, filter) => Answer::ListedGroups(self.list_groups(keys, &filter).await),
                Ask::ProducerIds => Answer::ProducerIds(self.producer_id_block().await),
                Ask::Image(image, records) => {
                    self.apply_image(image, &records).await;
                    Answer::Ready
                }
                Ask::Append(_) | Ask::Watch(_) | Ask::Unwatch(_) | Ask::Arrival(_) | Ask::Group(_) => {
                    unreachable!("these are served where they arrive")
                }
            };
            respond.send(answer);
        }
    }
}
