//! What every ledger of a sweep has, whatever its scenario writes into it.

use millrace_rt::world::Crash;

/// Whether what the outside was told was true.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Empty: every promise was kept.
    pub(crate) violations: Vec<String>,
    /// Answers that said an append is durable.
    pub(crate) acknowledgements: u64,
}

/// What the outside was told.
pub(crate) trait Ledger {
    fn verdict(&mut self) -> &mut Verdict;
    /// What the crash takes back is expected no longer.
    fn crashed(&mut self, kind: Crash);
}
