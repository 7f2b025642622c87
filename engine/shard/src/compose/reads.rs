//! The way of a fetch, put together.

use std::rc::Rc;

use crate::compose::base::Base;
use crate::device::shares::CACHE_PARTS;
use crate::fetch::fetcher::Fetcher;
use crate::fetch::offsets::LogQueries;
use crate::fetch::reading::PartitionReader;
use crate::files::reads_beside::ReadsBeside;

/// The way of a fetch.
pub(super) struct Reads {
    pub(super) reader: Rc<PartitionReader>,
    pub(super) fetcher: Fetcher,
    pub(super) queries: Rc<LogQueries>,
}

impl Reads {
    pub(super) fn new(base: &Base) -> Reads {
        let reader = Rc::new(PartitionReader {
            table: Rc::clone(&base.partitions.table),
            files: Rc::clone(&base.disk.files),
            reads_beside: ReadsBeside::new(base.part(CACHE_PARTS)),
            counters: Rc::clone(&base.counters),
        });
        let fetcher = Fetcher {
            mesh: Rc::clone(&base.mesh),
            reader: Rc::clone(&reader),
            purgatory: Rc::clone(&base.partitions.purgatory),
            egress: Rc::clone(&base.egress),
            counters: Rc::clone(&base.counters),
        };
        let queries = Rc::new(LogQueries {
            mesh: Rc::clone(&base.mesh),
            table: Rc::clone(&base.partitions.table),
            files: Rc::clone(&base.disk.files),
        });
        Reads { reader, fetcher, queries }
    }
}
