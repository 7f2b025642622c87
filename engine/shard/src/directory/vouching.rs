//! What the files of a data directory say of one another: what is missing is damage, and nothing that none of
//! them knows is taken for rubbish.

use std::path::{Path, PathBuf};

use millrace_core::base::ids::{PartitionKey, ShardIndex, TopicId};
use millrace_core::journal::holds_frames;
use millrace_core::meta::{DeletedTopics, MetadataImage};
use millrace_rt::fs;

use crate::api::OpenError;
use crate::directory::layout::{DELETED_SUFFIX, Generation, Layout, UNKNOWN_MARK, partition_of, slot_file};
use crate::directory::manifest::{Manifest, SlotShape};

/// What the metadata log says of topics: those that are, and those that are no more.
#[derive(Clone, Copy)]
pub(crate) struct KnownTopics<'a> {
    pub(crate) image: &'a MetadataImage,
    pub(crate) deleted: &'a DeletedTopics,
}

/// What is to become of a directory in the directory of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A partition's.
    Known,
    /// A deleted partition's, under the name that it had.
    Deleted,
    /// The same, under the name that its deletion gave it.
    SetAside,
    /// Nothing says what it is. It may hold records.
    Unknown,
    /// The same, and an earlier start has said so in its name.
    LeftAlone,
}

impl KnownTopics<'_> {
    /// Whether the log tells of the topic, be it of its end, and of the partition while the topic is there.
    pub(crate) fn has(&self, key: PartitionKey) -> bool {
        self.image.partition(key).is_some() || self.deleted.has(key.topic)
    }

    pub(crate) fn standing(&self, name: &str) -> Standing {
        if is_marked_unknown(name) {
            return Standing::LeftAlone;
        }
        if let Some(was) = name.strip_suffix(DELETED_SUFFIX) {
            let id = was.rsplit_once('-').and_then(|(id, _)| TopicId::parse(id));
            let is_vouched = id.map_or_else(|| self.was_known(was), |id| self.deleted.has(id));
            return if is_vouched { Standing::SetAside } else { Standing::Unknown };
        }
        if partition_of(self.image, name).is_some() {
            return Standing::Known;
        }
        if self.was_known(name) { Standing::Deleted } else { Standing::Unknown }
    }

    /// Of a partition's name, also with the number of the start that set it aside behind it.
    fn was_known(&self, name: &str) -> bool {
        name.rsplit_once('-').is_some_and(|(topic, _)| self.deleted.has_name(topic))
    }
}

/// Whether a start has put this directory aside, since nothing said what it is.
fn is_marked_unknown(name: &str) -> bool {
    let behind = name.rsplit_once(UNKNOWN_MARK).map(|(_, when)| when);
    behind.is_some_and(|when| !when.is_empty() && when.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Refuses a directory that has no manifest, and more than a start leaves which did not come to its end. No
/// topic is created before the manifest is there.
pub(crate) async fn refuse_missing_manifest(
    layout: &Layout,
    known: KnownTopics<'_>,
) -> Result<(), OpenError> {
    let missing = |witness: PathBuf, tells: String| {
        let what = format!(
            "it is missing, though {} {tells}: put it back from a copy; without it nobody knows which journal is valid",
            witness.display()
        );
        Err(OpenError::Missing { file: layout.manifest(), what, data_dir: layout.data().to_path_buf() })
    };
    let topics = known.image.topic_count();
    if topics > 0 || !known.deleted.is_empty() {
        return missing(layout.metadata_log(), format!("has {topics} topics, and others that were deleted"));
    }
    let dir = layout.topics();
    if let Some(entry) = entries_of(&dir).await?.first() {
        return missing(dir.join(&entry.name), "is there".to_owned());
    }
    for slot in slots_of_all_generations(layout).await? {
        let bytes = fs::read(&slot).await.map_err(|error| OpenError::io("read", &slot, &error))?;
        if holds_frames(&bytes) {
            return missing(slot, "holds frames of a journal".to_owned());
        }
    }
    Ok(())
}

/// Refuses a directory whose manifest names journals that are not there whole.
pub(crate) async fn refuse_missing_slots(layout: &Layout, old: &Manifest) -> Result<(), OpenError> {
    let data_dir = || layout.data().to_path_buf();
    for shard in (0..old.shards).map(ShardIndex) {
        let dir = layout.shard(old.generation, shard);
        if !is_there(&dir).await? {
            let what = "this journal of the last run is missing; is millrace.journal.dir what it was then?";
            return Err(OpenError::Missing { file: dir, what: what.to_owned(), data_dir: data_dir() });
        }
        for number in 0..usize::from(old.slots.count) {
            let file = slot_file(&dir, number);
            let length = length_if_there(&file).await?;
            if let Some(what) = slot_flaw(length, old) {
                return Err(OpenError::Missing { file, what, data_dir: data_dir() });
            }
        }
    }
    Ok(())
}

/// What is wrong with a slot of this length, or without one.
pub(crate) fn slot_flaw(length: Option<u64>, manifest: &Manifest) -> Option<String> {
    let SlotShape { count: slots, bytes: slot_bytes } = manifest.slots;
    match length {
        None => Some(format!("this slot of the journal is missing; the manifest counts {slots}")),
        Some(length) if length < slot_bytes => {
            Some(format!("this slot of the journal has {length} bytes; the manifest says {slot_bytes}"))
        }
        Some(_) => None,
    }
}

pub(crate) async fn is_there(path: &Path) -> Result<bool, OpenError> {
    fs::exists(path).await.map_err(|error| OpenError::io("look for", path, &error))
}

/// The length of a file, if there is one.
pub(crate) async fn length_if_there(path: &Path) -> Result<Option<u64>, OpenError> {
    match fs::len(path).await {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError::io("read", path, &error)),
    }
}

async fn entries_of(dir: &Path) -> Result<Vec<fs::DirEntry>, OpenError> {
    fs::read_dir(dir).await.map_err(|error| OpenError::io("read the directory", dir, &error))
}

async fn slots_of_all_generations(layout: &Layout) -> Result<Vec<PathBuf>, OpenError> {
    let mut slots = Vec::new();
    for entry in entries_of(layout.journals()).await? {
        let Ok(number) = entry.name.parse() else { continue };
        let generation = layout.generation(Generation(number));
        for shard in entries_of(&generation).await?.iter().filter(|entry| entry.is_dir) {
            let dir = generation.join(&shard.name);
            let files = entries_of(&dir).await?;
            slots.extend(files.iter().filter(|file| is_slot(&file.name)).map(|file| dir.join(&file.name)));
        }
    }
    Ok(slots)
}

fn is_slot(name: &str) -> bool {
    name.starts_with("slot-")
}

#[cfg(test)]
mod tests {
    use millrace_core::meta::{MetadataEntry, MetadataRecord};

    use super::*;

    #[test]
    fn only_what_the_log_says_was_deleted_may_go() {
        let id = |byte: u8| TopicId([byte; 16]);
        let topic = |byte, name: &str| MetadataRecord::Topic { id: id(byte), name: name.to_owned() };
        let records = vec![topic(1, "kept"), topic(2, "gone-1"), MetadataRecord::RemoveTopic { id: id(2) }];
        let mut image = MetadataImage::default();
        image.apply_all(&records).unwrap();
        let entries = [MetadataEntry { epoch: 1, index: 1, hard_index: 0, records }];
        let deleted = DeletedTopics::of(&entries);
        let known = KnownTopics { image: &image, deleted: &deleted };
        let cases = [
            ("gone-1-0".to_owned(), Standing::Deleted),
            ("gone-1-0.17-delete".to_owned(), Standing::SetAside),
            (format!("{}-0-delete", id(2)), Standing::SetAside),
            (format!("{}-0-delete", id(1)), Standing::Unknown),
            (format!("{}-0-delete", id(9)), Standing::Unknown),
            ("kept-0".to_owned(), Standing::Unknown),
            ("other-0".to_owned(), Standing::Unknown),
            ("other-0.3-delete".to_owned(), Standing::Unknown),
            ("other-0.unknown-at-1764000000000".to_owned(), Standing::LeftAlone),
            ("other.unknown-at-x".to_owned(), Standing::Unknown),
        ];
        for (name, standing) in cases {
            assert_eq!(known.standing(&name), standing, "{name}");
        }
    }
}
