//! Serves what other shards ask of this one.

use std::rc::Rc;

use millrace_rt::Incoming;

use crate::message::{Answer, Ask};
use crate::shard::Core;
use crate::ticket::Gathering;
use crate::watch::Watch;

/// Asks that may touch the disk are served by so many tasks at once; more would only queue at the device.
pub(crate) const READERS: usize = 16;

impl Core {
    /// Takes asks from the lanes in order: appends are queued at once, what may wait goes to the readers. Runs until
    /// the shard ends.
    pub(crate) async fn serve_mesh(self: Rc<Core>) {
        loop {
            let Incoming { request, respond, .. } = self.mesh.next().await;
            match request {
                Ask::Append(appends) => {
                    let gathering = Gathering::remote(appends.len(), respond);
                    self.admit(appends, &gathering);
                }
                Ask::Watch(ask) => self.watch(&ask, Watch::remote(ask.bytes, ask.deadline, respond)),
                Ask::Arrival(parcel) => {
                    self.arrivals.push(parcel);
                    respond.send(Answer::Ready);
                }
                slow => self.slow.push(slow, respond),
            }
        }
    }

    /// Serves asks that may wait. Several run at once; runs until the shard ends.
    pub(crate) async fn serve_slow(self: Rc<Core>) {
        loop {
            let (ask, respond) = self.slow.next().await;
            let answer = match ask {
                Ask::Read(ask) => {
                    let begun = millrace_rt::now();
                    let read = self.read(ask).await;
                    Answer::Read(read, millrace_rt::now() - begun)
                }
                Ask::Offsets(asks) => Answer::Offsets(self.offsets(asks).await),
                Ask::Epochs(asks) => Answer::Epochs(self.epochs(&asks)),
                Ask::DeleteRecords(asks) => Answer::LogStarts(self.delete_records(asks).await),
                Ask::CreateTopics(topics, mode) => Answer::Topics(self.create_topics(topics, mode).await),
                Ask::DeleteTopics(topics) => Answer::Deleted(self.delete_topics(topics).await),
                Ask::AlterConfigs(changes, mode) => Answer::Altered(self.alter_configs(changes, mode).await),
                Ask::ProducerIds => Answer::ProducerIds(self.producer_id_block().await),
                Ask::Image(image, records) => {
                    self.apply_image(image, &records).await;
                    Answer::Ready
                }
                Ask::Append(_) | Ask::Watch(_) | Ask::Arrival(_) => {
                    unreachable!("these are served where they arrive")
                }
            };
            respond.send(answer);
        }
    }
}
