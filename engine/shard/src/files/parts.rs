//! What a shard has of the disk.

use std::rc::Rc;

use crate::device::disk_classes::DiskClasses;
use crate::device::space::Space;
use crate::directory::file_systems::Unsynced;
use crate::files::deleting::FileDeletion;
use crate::files::doomed::Doomed;
use crate::files::segment_files::SegmentFiles;

pub(crate) struct DiskParts {
    pub(crate) classes: Rc<DiskClasses>,
    pub(crate) space: Rc<Space>,
    pub(crate) files: Rc<SegmentFiles>,
    pub(crate) doomed: Rc<Doomed>,
    pub(crate) deletion: Rc<FileDeletion>,
    pub(crate) unsynced: Rc<Unsynced>,
}
