//! What came of a command.

/// Whether everything was done that was asked for; what was not is told by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    All,
    NotAll,
}
