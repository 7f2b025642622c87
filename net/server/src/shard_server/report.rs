//! What a shard reports to the probes of other threads.

use std::rc::Rc;

use millrace_core::base::ShardIndex;
use millrace_rt::fs;

use crate::metrics::counts::{
    BrokerStats, ConnectionStats, RequestMemory, ServerStats, SessionStats, ShardReport,
};
use crate::metrics::shard_probe::Question;
use crate::shard_server::server::ShardServer;

impl ShardServer {
    /// Replies to the probes of other threads. Never returns.
    pub(crate) async fn answer_probes(self: Rc<Self>) {
        loop {
            for question in self.broker.probe().next_questions(self.shard.index()).await {
                // The thread that asked may be gone.
                match question {
                    Question::Alive(response) => drop(response.send(())),
                    Question::Report(response) => drop(response.send(self.report().await)),
                }
            }
        }
    }

    async fn report(&self) -> ShardReport {
        let engine = self.shard.stats().await;
        let image = self.shard.image();
        let broker = match self.shard.index() {
            ShardIndex(0) => Some(BrokerStats {
                topics: image.topic_count() as u64,
                partitions: image.partition_count() as u64,
                data_available: fs::available_space(&self.broker.settings().data_dir).await.ok(),
            }),
            _ => None,
        };
        let sessions = self.sessions.borrow();
        let budget = &self.request_budget;
        let counted = self.counts.stats(&image);
        let server = ServerStats {
            connections: ConnectionStats { open: self.connections.len() as u64, ..counted.connections },
            request_memory: RequestMemory {
                bytes: budget.bytes(),
                bytes_max: budget.bytes_max(),
                waits: budget.waits(),
            },
            timings: self.timings.stats(),
            fetch_sessions: SessionStats {
                sessions: sessions.len() as u64,
                partitions: sessions.partitions() as u64,
                evictions: sessions.evictions(),
            },
            ..counted
        };
        ShardReport { engine, server, broker }
    }
}
