//! What the coordinator asks its host to do.

use std::sync::Arc;

use super::answer::Answer;
use super::ids::{Token, WriteId};
use super::record::CoordinatorRecord;

/// Something for the host to do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answer the request that waits under `token`, which is not used again.
    Reply { token: Token, answer: Answer },
    /// Append `records` to the coordinator's partition, all or none, behind everything asked before; then
    /// call `written` with what became of them.
    Write { id: WriteId, records: Arc<[CoordinatorRecord]> },
}
