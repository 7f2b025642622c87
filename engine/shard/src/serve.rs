//! Serves what other shards ask of this one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use millrace_rt::{Incoming, Respond, Signal};

use crate::message::{Answer, Ask};
use crate::shard::Core;
use crate::ticket::Gathering;
use crate::watch::Watch;

/// Asks that may touch the disk are served by so many tasks at once; more would only queue at the device.
pub(crate) const READERS: usize = 16;

/// Asks that may wait for the disk.
#[derive(Default)]
pub(crate) struct SlowAsks {
    asks: RefCell<VecDeque<(Ask, Respond<Answer>)>>,
    came: Signal,
}

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
                Ask::Read(ask) => Answer::Read(self.read(ask).await),
                Ask::Offsets(asks) => Answer::Offsets(self.offsets(asks).await),
                Ask::Epochs(asks) => Answer::Epochs(self.epochs(&asks)),
                Ask::CreateTopics(topics, mode) => Answer::Topics(self.create_topics(topics, mode).await),
                Ask::DeleteTopics(topics) => Answer::Deleted(self.delete_topics(topics).await),
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

impl SlowAsks {
    fn push(&self, ask: Ask, respond: Respond<Answer>) {
        self.asks.borrow_mut().push_back((ask, respond));
        self.came.notify_all();
    }

    async fn next(&self) -> (Ask, Respond<Answer>) {
        loop {
            let ask = self.asks.borrow_mut().pop_front();
            match ask {
                Some(ask) => return ask,
                None => self.came.wait().await,
            }
        }
    }
}
