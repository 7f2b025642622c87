//! What one boot of a simulated machine has to go through, a crash, a disk without space, and what it reads.

use std::time::Duration;

use millrace_rt::world::{Crash, DiskFault};

use crate::loss::Loss;

/// A crash just before a disk operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blow {
    /// Counted from the beginning of its boot, the first is 1.
    pub operation: u64,
    pub kind: Crash,
}

/// A disk that is full for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Squeeze {
    pub filling: Filling,
    /// Virtual time until there is space again.
    pub lasts: Duration,
}

/// What a disk has left: bytes, or files and directories that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Bytes(u64),
    Inodes(u64),
}

impl Room {
    pub(crate) fn fault(self) -> DiskFault {
        match self {
            Room::Bytes(bytes) => DiskFault::Full(bytes),
            Room::Inodes(inodes) => DiskFault::FewInodes(inodes),
        }
    }
}

/// Who fills the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// Somebody else, all at once, about at this operation of the boot; so much is left.
    ByOthers { operation: u64, room: Room },
    /// The node itself: the disk has so much room when it boots. It has to keep the reserve.
    ByItself { room: Room },
    /// As the boot before left it, which the node itself had filled.
    Still,
}

/// What one boot has to go through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trial {
    pub blow: Option<Blow>,
    pub squeeze: Option<Squeeze>,
}

impl Trial {
    pub fn of_blow(operation: u64, kind: Crash) -> Trial {
        Trial { blow: Some(Blow { operation, kind }), squeeze: None }
    }

    /// Whether a start may fail for want of space: somebody else took what it needs.
    pub(crate) fn may_not_open(&self) -> bool {
        self.squeeze.is_some_and(|squeeze| matches!(squeeze.filling, Filling::ByOthers { .. }))
    }

    pub(crate) fn finds_the_disk_as_it_was(&self) -> bool {
        self.squeeze.is_some_and(|squeeze| squeeze.filling == Filling::Still)
    }
}

/// What befalls the disk before a boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Between {
    #[default]
    Nothing,
    /// Both checkpoints of every journal are damaged behind their headers.
    DamagedCheckpoints,
    /// The same from this boot on: the one before had good ones, and went by them.
    CheckpointsDamagedFrom(u64),
    /// Files are lost, once, before the second boot.
    Lost(Loss),
}

/// What the directory of topics is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TopicsOn {
    #[default]
    DataDisk,
    DiskOfTheirOwn,
}

/// What a run asked of the disk without changing it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    pub reads: u64,
    /// Openings of files that were there.
    pub opens: u64,
    /// Whether a path is there, how long it is, what a directory holds.
    pub lookups: u64,
}
