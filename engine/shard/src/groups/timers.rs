//! Timeouts of all coordinators of one shard, by one task.

use std::rc::Rc;
use std::time::Duration;

use millrace_core::coord::MonotonicMs;
use millrace_rt::Moment;

use crate::coordinators::now;
use crate::shard::Core;

impl Core {
    /// Lets timeouts fire when they are due. Never returns.
    pub(crate) async fn run_group_timers(self: Rc<Core>) {
        loop {
            let sooner = self.groups.sooner.wait();
            match self.groups.planned.get() {
                MonotonicMs::NEVER => sooner.await,
                at => {
                    let at = Moment::ZERO + Duration::from_millis(at.0);
                    millrace_rt::select(sooner, millrace_rt::sleep_until(at)).await;
                }
            }
            let moment = now();
            for key in self.groups.due(moment.clock) {
                let mut actions = Vec::new();
                let topics = self.cluster_topics();
                self.groups
                    .with_serving(key, |serving| serving.coordinator.expire(moment, &topics, &mut actions));
                self.carry_out(key, actions);
            }
        }
    }
}
