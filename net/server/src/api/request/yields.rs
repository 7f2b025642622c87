//! Long requests yield to the other tasks of their shard.

/// The number of list elements between two yields: about a millisecond, since each takes up to a microsecond.
const ELEMENTS_A_TURN: usize = 1024;

/// Counts the elements of one request.
#[derive(Debug, Default)]
pub(crate) struct YieldCounter {
    elements: usize,
}

impl YieldCounter {
    /// Counts one more element, and yields now and then. Dropping the future leaves nothing behind.
    pub(crate) async fn step(&mut self) {
        self.elements += 1;
        if self.elements.is_multiple_of(ELEMENTS_A_TURN) {
            millrace_rt::yield_now().await;
        }
    }
}
