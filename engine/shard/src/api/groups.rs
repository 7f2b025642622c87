//! Committed offsets that are asked for.

use millrace_core::base::ids::PartitionIndex;
use millrace_core::coord::{CommittedOffset, Epoch, GroupId, MemberId, TopicName};

/// OffsetFetch of one group.
#[derive(Debug, Clone)]
pub struct FetchOffsets {
    pub group: GroupId,
    /// Who asks, where it says so: members of the consumer protocol from version 9.
    pub member: Option<MemberId>,
    /// Below 0 where nobody says so.
    pub epoch: Epoch,
    pub selection: OffsetSelection,
}

/// Which committed offsets are wanted.
#[derive(Debug, Clone)]
pub enum OffsetSelection {
    All,
    Of(Vec<(TopicName, PartitionIndex)>),
}

/// What a group has committed. Of those asked for by name those without an offset are left out.
pub type SelectedOffsets = Vec<(TopicName, Vec<(PartitionIndex, CommittedOffset)>)>;
