//! The end of the process where a shard cannot go on.

use millrace_core::base::ids::ShardIndex;

/// What a shard says when it ends the process. A failed journal write, sync or checkpoint is never retried
/// (design): what the device holds is unknown from then on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fatal {
    shard: ShardIndex,
}

impl Fatal {
    pub(crate) fn of(shard: ShardIndex) -> Fatal {
        Fatal { shard }
    }

    /// Ends the process with the reason.
    pub(crate) async fn end(self, reason: String) -> ! {
        millrace_rt::end_process(format!("shard {}: {reason}", self.shard)).await
    }
}
