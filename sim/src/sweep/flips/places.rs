//! The bits of a disk that are flipped, one case after another.

use std::fmt;
use std::path::{Path, PathBuf};

use millrace_core::base::limits::{BATCH_HEADER_BYTES, BLOCK_BYTES};
use millrace_core::journal::FrameHeader;
use millrace_core::log::BatchWalk;

use crate::promises::DATA_DIR;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Manifest,
    Metadata,
    Checkpoint,
    Slot,
    Segment,
    Index,
}

/// One damage: a bit of a file, or all of a kind of small files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    pub kind: Kind,
    pub file: PathBuf,
    pub at: usize,
    pub harm: Harm,
}

/// What is done at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// A bit of the byte is flipped.
    Bit(u8),
    /// The same bit of the other checkpoint is flipped, too.
    BothCheckpoints(u8),
    /// The file ends here.
    Cut,
    /// The file holds an index that is valid in itself, and wrong.
    WrongIndex,
}

impl fmt::Display for Flip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at byte {} of {}", self.harm, self.at, self.file.display())
    }
}

impl Kind {
    pub(super) fn of(path: &Path) -> Option<Kind> {
        let name = path.file_name()?.to_string_lossy();
        match &*name {
            "node" => Some(Kind::Manifest),
            "metadata.log" => Some(Kind::Metadata),
            name if name.starts_with("checkpoint-") => Some(Kind::Checkpoint),
            name if name.starts_with("slot-") => Some(Kind::Slot),
            name if name.ends_with(".log") && path.starts_with(Path::new(DATA_DIR).join("topics")) => {
                Some(Kind::Segment)
            }
            name if name.ends_with(".mrindex") => Some(Kind::Index),
            _ => None,
        }
    }
}

/// Every place of a file that is worth a case: all bytes of small files; of frames and batches those that say
/// what they are, and some of what they hold.
pub(super) fn flips_of(kind: Kind, file: &Path, bytes: &[u8]) -> Vec<Flip> {
    let places: Vec<usize> = match kind {
        Kind::Manifest | Kind::Metadata | Kind::Checkpoint | Kind::Index => (0..bytes.len()).collect(),
        Kind::Slot => slot_places(bytes),
        Kind::Segment => segment_places(bytes),
    };
    let flip = |at: usize, harm| Flip { kind, file: file.to_path_buf(), at, harm };
    let mut flips: Vec<Flip> = places.into_iter().map(|at| flip(at, Harm::Bit(bit(at)))).collect();
    if kind == Kind::Checkpoint {
        flips.extend((0..bytes.len()).step_by(5).map(|at| flip(at, Harm::BothCheckpoints(bit(at)))));
    }
    if kind == Kind::Index {
        flips.push(flip(0, Harm::Cut));
        flips.push(flip(0, Harm::WrongIndex));
    }
    flips
}

/// Any bit, the same each time.
fn bit(at: usize) -> u8 {
    ((at.wrapping_mul(0x9e37_79b9)) >> 13) as u8 % 8
}

fn slot_places(bytes: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    for block in (0..bytes.len()).step_by(BLOCK_BYTES) {
        if FrameHeader::decode(&bytes[block..]).is_ok() {
            places.extend(block..block + 140);
        }
        places.push(block + block.wrapping_mul(31) % BLOCK_BYTES);
    }
    places
}

fn segment_places(bytes: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    for (number, batch) in BatchWalk::new(bytes).map_while(Result::ok).enumerate() {
        let end = batch.at + batch.bytes.len();
        if number % 8 == 0 {
            places.extend(batch.at..batch.at + BATCH_HEADER_BYTES);
        }
        places.push((batch.at + BATCH_HEADER_BYTES + number).min(end - 1));
        places.push(end - 1);
    }
    places
}
