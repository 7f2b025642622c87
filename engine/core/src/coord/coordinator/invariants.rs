//! What always holds of a coordinator between two events.

use super::machine::Coordinator;

impl Coordinator {
    /// How many groups it has.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Looks at every group; the simulated world does so after every turn.
    pub fn check(&self) {
        for (id, group) in &self.groups {
            assert_eq!(group.classic.id(), id, "a group is found by its id");
            group.check();
        }
    }
}
