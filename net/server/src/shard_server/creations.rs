//! Which topics are being created on demand, so that none is created twice at once.

use std::cell::RefCell;

use rustc_hash::FxHashSet;

/// The creations under way on one shard: clients repeat their question while they wait.
#[derive(Default)]
pub(crate) struct Creations {
    under_way: RefCell<FxHashSet<String>>,
}

impl Creations {
    /// Whether nobody creates `name` yet; from now on somebody does, until `end`.
    pub(crate) fn begin(&self, name: &str) -> bool {
        self.under_way.borrow_mut().insert(name.to_owned())
    }

    pub(crate) fn end(&self, name: &str) {
        self.under_way.borrow_mut().remove(name);
    }
}
