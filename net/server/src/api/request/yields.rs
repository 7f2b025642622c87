//! When long requests give way to the other tasks of their shard.

/// Elements of a list that are looked at between two turns of the other tasks: a millisecond or so of a request's,
/// since each takes up to a microsecond.
const ELEMENTS_A_TURN: usize = 1024;

/// Counts the elements of one request.
#[derive(Debug, Default)]
pub(crate) struct YieldCounter {
    elements: usize,
}

impl YieldCounter {
    /// One more is looked at. Dropping the future leaves nothing behind.
    pub(crate) async fn step(&mut self) {
        self.elements += 1;
        if self.elements.is_multiple_of(ELEMENTS_A_TURN) {
            millrace_rt::yield_now().await;
        }
    }
}
