//! What came of a command.

/// Whether everything was done that was asked for; what was not is told by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    All,
    NotAll,
}

impl Done {
    pub(crate) fn and(self, other: Done) -> Done {
        if self == Done::All { other } else { Done::NotAll }
    }
}
