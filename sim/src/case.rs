//! One run of a sweep: what happens in it, and what came of it.

use millrace_rt::world::DiskFault;
use millrace_shard::Planted;

use crate::machine::MEMORY_BYTES;
use crate::trial::{Between, Looks, TopicsOn, Trial};

/// A boot behind a crash may crash again only so often.
pub(crate) const BOOTS_MAX: usize = 6;

/// One run of a workload.
#[derive(Debug, Clone)]
pub struct Case {
    pub shards: u16,
    /// One for each boot, from the first on; a boot whose blow never comes ends cleanly.
    pub trials: Vec<Trial>,
    /// Numbers of shards with which the node is booted again at the end.
    pub restarts: Vec<u16>,
    pub fault: DiskFault,
    pub between: Between,
    pub topics_on: TopicsOn,
    pub planted: Option<Planted>,
    /// Memory of each boot.
    pub memory_bytes: u64,
}

impl Case {
    pub fn quiet(shards: u16) -> Case {
        Case {
            shards,
            trials: Vec::new(),
            restarts: Vec::new(),
            fault: DiskFault::None,
            between: Between::Nothing,
            topics_on: TopicsOn::DataDisk,
            planted: None,
            memory_bytes: MEMORY_BYTES,
        }
    }
}

/// What came of a case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Empty: every promise was kept.
    pub violations: Vec<String>,
    /// Blows that fell.
    pub crashes: usize,
    /// Disk operations of each boot.
    pub operations: Vec<u64>,
    /// Of all boots.
    pub looks: Looks,
    /// A start said that files were lost.
    pub has_refused: bool,
    /// Appends that were refused for want of space.
    pub refusals: u64,
    /// Written to the journals of boots that ended cleanly.
    pub journal_bytes: u64,
    /// Answers that said an append is durable.
    pub acknowledgements: u64,
    pub trace: Vec<String>,
}
