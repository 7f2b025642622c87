//! Ends swaps of compacted segments that a crash cut short.

use std::io;
use std::path::Path;

use millrace_core::base::ids::Offset;
use millrace_core::journal::CompactedSegment;
use millrace_core::log::SegmentName;
use millrace_rt::fs;

use crate::api::OpenError;
use crate::directory::layout::{compacted_file, segment_file};
use crate::directory::vouching::length_if_there;

/// What became of a swap that the journal tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The new segment has its name, and what it stands for is gone.
    Done,
    /// The old segments are all there. Its frame may be lost yet, so that they stay: these,
    /// besides the first.
    Undone(Vec<Offset>),
}

/// Ends a swap that a crash may have cut short. Names change only behind a frame that is hard; where none has
/// changed the new file is of no use, and `cut_leftovers` sees to it. Where the new segment is not whole
/// nothing changes: what it stands for may be all that is left.
pub(crate) async fn settle_swap(
    data_dir: &Path,
    dir: &Path,
    new: &CompactedSegment,
) -> Result<Settled, OpenError> {
    let fault = |error| OpenError::io("end a compaction in", dir, &error);
    let (path, name) = (compacted_file(dir, new.segment, new.number), segment_file(dir, new.segment));
    let is_pending = fs::exists(&path).await.map_err(fault)?;
    let merged = |name: &str| {
        SegmentName::parse(name)
            .map(|name| name.base)
            .filter(|base| *base != new.segment && new.replaces(*base))
    };
    let entries = match fs::read_dir(dir).await {
        // Then the new segment is missing, too: its reader says so.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        entries => entries.map_err(fault)?,
    };
    let merged: Vec<Offset> = entries.iter().filter_map(|entry| merged(&entry.name)).collect();
    if is_pending && fs::exists(&name).await.map_err(fault)? {
        return Ok(Settled::Undone(merged));
    }
    if !is_pending && merged.is_empty() {
        return Ok(Settled::Done);
    }
    let file = if is_pending { &path } else { &name };
    match length_if_there(file).await? {
        Some(length) if length == new.length.0 => {}
        Some(length) => {
            let told = new.length;
            let what =
                format!("this segment has {length} bytes; the journal says that compaction wrote {told}");
            return Err(OpenError::Missing { file: file.clone(), what, data_dir: data_dir.to_path_buf() });
        }
        // Its reader says so.
        None => return Ok(Settled::Done),
    }
    finish_swap(dir, (&path, &name), is_pending, &merged).await.map_err(fault)?;
    Ok(Settled::Done)
}

/// Gives the new segment its name, if it has it not, and takes away what it stands for.
async fn finish_swap(
    dir: &Path,
    (path, name): (&Path, &Path),
    is_pending: bool,
    merged: &[Offset],
) -> io::Result<()> {
    if is_pending {
        fs::rename(path, name).await?;
    }
    for base in merged {
        fs::remove_file(&segment_file(dir, *base)).await?;
    }
    fs::sync_dir(dir).await
}
