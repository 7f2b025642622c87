//! The partitions of one fetch session in the order in which they are served.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_core::base::TopicId;
use rustc_hash::FxHashMap;

/// A topic as the client named it: by name up to version 12, by id from version 13.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicRef {
    Name(Arc<str>),
    Id(TopicId),
}

/// One partition as the client named it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionRef {
    pub(crate) topic: TopicRef,
    pub(crate) partition: i32,
}

/// What the client wants of a partition; a session remembers it between requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WantedPartition {
    pub(crate) fetch_offset: i64,
    pub(crate) max_bytes: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    /// Whether the session has found the topic before. If it is deleted then, its id is not unknown,
    /// but its partition is.
    pub(crate) resolved: bool,
}

/// What the last response said of a partition. -1 means "nothing yet, or an error".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

impl Told {
    pub(crate) const NOTHING: Told = Told { high_watermark: -1, log_start_offset: -1 };
}

#[derive(Debug, Clone)]
struct SessionEntry {
    partition: PartitionRef,
    wanted: WantedPartition,
    told: Told,
}

/// Ordered map of partitions. A partition that was served moves to the end, so that a small response does not
/// starve the partitions behind it (KIP-227).
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionPartitions {
    order: BTreeMap<u64, SessionEntry>,
    places: FxHashMap<PartitionRef, u64>,
    next_place: u64,
    weight: usize,
}

/// A partition counts once more for each of this many bytes of its topic's name. No topic has a name that
/// long, but a client may ask for one.
const NAME_BYTES_COUNTED: usize = 256;

impl PartitionRef {
    fn weight(&self) -> usize {
        match &self.topic {
            TopicRef::Name(name) => 1 + name.len() / NAME_BYTES_COUNTED,
            TopicRef::Id(_) => 1,
        }
    }
}

impl SessionPartitions {
    /// Adds a partition at the end, or changes what is wanted of a known one.
    pub(crate) fn set(&mut self, partition: PartitionRef, wanted: WantedPartition) {
        if let Some(entry) = self.entry_mut(&partition) {
            entry.wanted = WantedPartition { resolved: entry.wanted.resolved, ..wanted };
            return;
        }
        self.append(SessionEntry { partition, wanted, told: Told::NOTHING });
    }

    pub(crate) fn remove(&mut self, partition: &PartitionRef) {
        if let Some(place) = self.places.remove(partition) {
            self.order.remove(&place);
            self.weight -= partition.weight();
        }
    }

    pub(crate) fn told(&self, partition: &PartitionRef) -> Option<Told> {
        let place = self.places.get(partition)?;
        self.order.get(place).map(|entry| entry.told)
    }

    pub(crate) fn tell(&mut self, partition: &PartitionRef, told: Told) {
        if let Some(entry) = self.entry_mut(partition) {
            entry.told = told;
            entry.wanted.resolved |= told.log_start_offset >= 0;
        }
    }

    pub(crate) fn move_to_end(&mut self, partition: &PartitionRef) {
        let removed = self.places.remove(partition).and_then(|place| self.order.remove(&place));
        if let Some(entry) = removed {
            self.weight -= partition.weight();
            self.append(entry);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PartitionRef, WantedPartition)> {
        self.order.values().map(|entry| (&entry.partition, entry.wanted))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the number of partitions, and more if names are longer than those of topics.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    fn entry_mut(&mut self, partition: &PartitionRef) -> Option<&mut SessionEntry> {
        let place = self.places.get(partition)?;
        self.order.get_mut(place)
    }

    fn append(&mut self, entry: SessionEntry) {
        let place = self.next_place;
        self.next_place += 1;
        self.weight += entry.partition.weight();
        self.places.insert(entry.partition.clone(), place);
        self.order.insert(place, entry);
        debug_assert_eq!(self.order.len(), self.places.len());
    }
}
