//! Closes connections: those that do nothing or hold up others, and all of them when the broker stops.

use std::rc::Rc;
use std::time::Duration;

use millrace_core::base::ShardIndex;
use millrace_rt::Moment;
use tracing::{debug, warn};

use crate::shard_server::server::ShardServer;

/// A connection that has held part of a request for this long is closed while others wait for its memory.
const PARTIAL_PATIENCE: Duration = Duration::from_secs(10);

/// A peer that has taken nothing of its responses for this long is closed while memory for responses is
/// short.
const STUCK_PATIENCE: Duration = Duration::from_secs(30);

/// The time between two checks of all connections, at least and at most.
const UPKEEP_PERIOD_MIN: Duration = Duration::from_millis(20);
const UPKEEP_PERIOD_MAX: Duration = Duration::from_secs(5);

/// The time between two checks, while the broker stops, whether the last responses have been sent.
const CLOSE_PERIOD: Duration = Duration::from_millis(10);

impl ShardServer {
    /// Closes connections that are idle for too long, and those that hold memory which others wait for.
    /// Never returns.
    pub(crate) async fn keep_up(self: Rc<Self>) {
        let idle_max = self.broker.config().connections_max_idle();
        let period = (idle_max / 10).clamp(UPKEEP_PERIOD_MIN, UPKEEP_PERIOD_MAX);
        loop {
            millrace_rt::sleep(period).await;
            self.close_overdue(idle_max);
            if self.shard.index() == ShardIndex(0) {
                self.broker.meters().forget_idle(millrace_rt::now());
                self.broker.client_metrics().forget_silent(millrace_rt::now());
            }
        }
    }

    fn close_overdue(&self, idle_max: Duration) {
        let now = millrace_rt::now();
        self.close_stuck(now);
        let short = self.request_budget.has_line();
        let limits = &self.counts.limits;
        self.connections.for_each(|connection| {
            let is_idle = now - connection.last_active() >= idle_max;
            let is_stalled = connection.partial_since().is_some_and(|since| now - since >= PARTIAL_PATIENCE);
            if is_idle {
                limits.idle.increment();
            } else if short && is_stalled {
                limits.stalled.increment();
            } else {
                return;
            }
            debug!(
                is_idle,
                is_stalled, "a connection is closed because it is idle or holds memory that others need"
            );
            connection.hang_up();
        });
    }

    fn close_stuck(&self, now: Moment) {
        let is_short = self.shard.egress().is_short();
        self.connections.for_each(|connection| {
            if !is_short {
                connection.forget_stuck();
            } else if connection.stuck_since().is_some_and(|since| now - since >= STUCK_PATIENCE) {
                self.counts.limits.stalled_peers.increment();
                warn!(
                    peer = connection.peer().map(tracing::field::display),
                    seconds = STUCK_PATIENCE.as_secs(),
                    "a peer takes nothing of its responses while others need the memory; it is closed"
                );
                connection.hang_up();
            }
        });
    }

    /// Ends each connection when its requests have been answered, and waits until all have left. After
    /// `patience` it ends them at once.
    pub(crate) async fn close_connections(&self, patience: Duration) {
        let deadline = millrace_rt::now() + patience;
        while !self.connections.is_empty() {
            if millrace_rt::now() >= deadline {
                self.connections.for_each(|connection| connection.hang_up());
                return;
            }
            self.connections.for_each(|connection| connection.retire());
            self.connections.wait_for_leaving(CLOSE_PERIOD).await;
        }
    }
}
