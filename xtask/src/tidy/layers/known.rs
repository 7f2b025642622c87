//! Circles between modules that are known: printed by every run, no error yet. The list may only become shorter.

use super::circles::Circle;

/// A circle that has not been undone yet.
pub(super) struct KnownCircle {
    /// Source folder of the crate.
    pub(super) source: &'static str,
    /// Folder of the modules, `::` between names; empty at the root of the crate.
    pub(super) folder: &'static str,
    /// A circle among some of these, and no others, is known.
    pub(super) members: &'static [&'static str],
    /// What would end it.
    pub(super) remedy: &'static str,
}

impl KnownCircle {
    pub(super) fn covers(&self, source: &str, circle: &Circle<'_>) -> bool {
        let is_member = |member: &String| self.members.contains(&member.as_str());
        self.source == source && self.folder == circle.folder && circle.members.iter().all(is_member)
    }
}

pub(super) const KNOWN_CIRCLES: &[KnownCircle] = &[];
