//! `DeletedTopics`: what a metadata log says was deleted, so that what is left of it may go.

use std::collections::{BTreeMap, BTreeSet};

use super::log::MetadataEntry;
use super::record::MetadataRecord;
use crate::base::ids::TopicId;

/// The topics that a metadata log created and removed again. Files, and entries of a journal, of a topic that
/// is neither here nor in the image belong to a log that lost its end, or to another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletedTopics {
    ids: BTreeSet<TopicId>,
    names: BTreeSet<String>,
}

impl DeletedTopics {
    /// Of a log's entries, from its first on.
    pub fn of(entries: &[MetadataEntry]) -> DeletedTopics {
        let mut deleted = DeletedTopics::default();
        let mut created: BTreeMap<TopicId, &String> = BTreeMap::new();
        for record in entries.iter().flat_map(|entry| &entry.records) {
            match record {
                MetadataRecord::Topic { id, name } => drop(created.insert(*id, name)),
                MetadataRecord::RemoveTopic { id } => {
                    deleted.ids.insert(*id);
                    deleted.names.extend(created.remove(id).cloned());
                }
                _ => {}
            }
        }
        deleted
    }

    pub fn has(&self, id: TopicId) -> bool {
        self.ids.contains(&id)
    }

    /// Whether a topic of this name was deleted; another may have the name now.
    pub fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_again_stays_one_that_was_deleted() {
        let id = |byte: u8| TopicId([byte; 16]);
        let topic = |byte, name: &str| MetadataRecord::Topic { id: id(byte), name: name.to_owned() };
        let entry = |index, records| MetadataEntry { epoch: 1, index, hard_index: index - 1, records };
        let entries = [
            entry(1, vec![topic(1, "kept"), topic(2, "gone")]),
            entry(2, vec![MetadataRecord::RemoveTopic { id: id(2) }, topic(3, "gone")]),
        ];
        let before = DeletedTopics::of(&entries[..1]);
        assert!(before.is_empty() && !before.has(id(2)) && !before.has_name("gone"));
        let after = DeletedTopics::of(&entries);
        assert!(!after.is_empty() && after.has(id(2)) && after.has_name("gone"));
        assert!(!after.has(id(1)) && !after.has(id(3)) && !after.has_name("kept"));
    }
}
