//! What hosts the coordinators of one shard.

use std::rc::Rc;

use crate::append::admission::Admission;
use crate::device::planted::PlantedFault;
use crate::fetch::reading::PartitionReader;
use crate::groups::coordinators::Groups;
use crate::groups::topics::ClusterTopics;
use crate::image::CurrentImage;
use crate::partition::table::Table;

/// Hosts the coordinators of one shard.
pub(crate) struct GroupHost {
    pub(crate) groups: Groups,
    pub(crate) table: Rc<Table>,
    pub(crate) image: Rc<CurrentImage>,
    pub(crate) reader: Rc<PartitionReader>,
    pub(crate) admission: Rc<Admission>,
    pub(crate) planted: PlantedFault,
}

impl GroupHost {
    /// The topics as they are now.
    pub(super) fn cluster_topics(&self) -> ClusterTopics {
        ClusterTopics { image: self.image.get(), version: self.groups.metadata_version.get() }
    }
}
