//! The topics that are being created on demand, so that none is created twice at once.

use std::cell::RefCell;

use rustc_hash::FxHashSet;

/// The creations under way on one shard. Clients repeat their request while they wait.
#[derive(Default)]
pub(crate) struct Creations {
    under_way: RefCell<FxHashSet<String>>,
}

impl Creations {
    /// Returns whether the caller may create `name`. It is then under way until `end`.
    pub(crate) fn begin(&self, name: &str) -> bool {
        self.under_way.borrow_mut().insert(name.to_owned())
    }

    pub(crate) fn end(&self, name: &str) {
        self.under_way.borrow_mut().remove(name);
    }
}
