//! Patterns of a group: they are matched anew as topics come and go.

use std::sync::Arc;

use super::changes::Change;
use super::group::ConsumerGroup;
use super::pattern::{Resolved, Watched, compile};
use crate::coord::ids::Now;
use crate::coord::kip848::Topics;
use crate::coord::settings::GroupSettings;

impl ConsumerGroup {
    /// Looks for the topics of patterns where that is due; answers whether any came or went.
    pub(super) fn refresh_patterns(
        &mut self,
        topics: &dyn Topics,
        now: Now,
        settings: &GroupSettings,
    ) -> bool {
        let version = topics.version();
        let due = self.patterns.iter().filter(|(_, watched)| watched.is_due(version, now, settings));
        let due: Vec<Arc<str>> = due.map(|(pattern, _)| Arc::clone(pattern)).collect();
        if due.is_empty() {
            return false;
        }
        let names = topics.names();
        let mut has_changed = false;
        for pattern in due {
            // One that came out of the log may be of another broker's language.
            let matched: Vec<Arc<str>> = match compile(&pattern) {
                Ok(regex) => names.iter().filter(|name| regex.is_match(name)).map(Arc::clone).collect(),
                Err(_) => Vec::new(),
            };
            has_changed |= self.patterns.get(&pattern).is_some_and(|watched| watched.topics() != matched);
            let resolved = Resolved { topics: matched, version, at: now.wall };
            self.patterns.insert(Arc::clone(&pattern), Watched::of(resolved));
            self.changes.insert(Change::Pattern(pattern));
        }
        has_changed
    }

    /// A member does not subscribe to a pattern any more; the last one takes it along.
    pub(super) fn forget_pattern(&mut self, pattern: &Arc<str>) {
        let is_wanted = self.members.values().any(|member| member.pattern.as_ref() == Some(pattern));
        if !is_wanted && self.patterns.remove(pattern).is_some_and(|watched| watched.is_resolved()) {
            self.changes.insert(Change::Pattern(Arc::clone(pattern)));
        }
    }
}
