//! Patterns of a group: they are matched anew as topics come and go.

use std::sync::Arc;

use super::state::changes::Change;
use super::state::group::ConsumerGroup;
use super::state::pattern::{Resolved, Watched, compile};
use crate::coord::ids::Now;
use crate::coord::kip848::Topics;
use crate::coord::settings::GroupSettings;

/// Names of topics that are matched in one turn, all patterns together, but for one pattern's, which are
/// matched at once: the others have their turn with the next heartbeats.
const MATCHES_A_TURN: usize = 20_000;

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
        let at_once = (MATCHES_A_TURN / names.len().max(1)).max(1);
        let mut has_changed = false;
        for pattern in due.into_iter().take(at_once) {
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
}
