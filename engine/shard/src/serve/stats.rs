//! A shard's counts and levels as one value that another thread may read: gathered when asked for,
//! a few partitions a turn.

use std::rc::Rc;
use std::sync::Arc;

use millrace_core::base::ids::PartitionIndex;
use millrace_core::base::measure::Distribution;
use millrace_rt::MemoryUse;

use crate::commit::queue::Commit;
use crate::compaction::state::{Compaction, CompactionStats};
use crate::counters::Counters;
use crate::device::disk_classes::DiskClassStats;
use crate::device::egress::{EgressBudget, EgressStats};
use crate::device::open_files::OpenFileStats;
use crate::files::parts::DiskParts;
use crate::files::read_cache::ReadCacheStats;
use crate::groups::coordinators::GroupStats;
use crate::groups::host::GroupHost;
use crate::mesh::waiting::WaitingLanes;
use crate::partition::parts::PartitionParts;
use crate::partition::state::Partition;

/// Partitions looked at between two turns of the other tasks: some 20 us.
const PARTITIONS_A_TURN: usize = 256;

/// One shard of the engine at about one moment. Counts are since the shard opened.
#[derive(Debug, Clone, Default)]
pub struct ShardStats {
    pub appends: AppendStats,
    pub journal: JournalStats,
    pub segments: SegmentStats,
    pub space: SpaceStats,
    pub tails: TailStats,
    pub fetches: FetchStats,
    pub disk: DiskStats,
    pub compaction: CompactionStats,
    pub mesh: MeshStats,
    pub process: ProcessStats,
    pub partitions: Vec<PartitionStats>,
    pub groups: GroupStats,
}

/// What producers brought, and what became of it.
#[derive(Debug, Clone, Default)]
pub struct AppendStats {
    pub bytes_in: u64,
    pub messages_in: u64,
    pub refused: u64,
    pub overdue: u64,
    pub without_space: u64,
    pub rolls: u64,
    pub queued: u64,
    pub queued_bytes: u64,
    pub producers_forgotten: u64,
    pub producers_refused: u64,
}

/// Writes to segments, reads of them, and those that went.
#[derive(Debug, Clone, Default)]
pub struct SegmentStats {
    pub writes: u64,
    pub written_bytes: u64,
    pub extents: u64,
    pub extent_bytes: u64,
    pub reads: u64,
    pub read_bytes: u64,
    pub full_disk_waits: u64,
    pub deleted: u64,
    pub deleted_bytes: u64,
    pub files_awaiting_deletion: u64,
}

/// The free space of the disk.
#[derive(Debug, Clone, Default)]
pub struct SpaceStats {
    /// 1 while appends are refused for want of space.
    pub short: u64,
    /// Free space below which they are.
    pub reserve_bytes: u64,
    /// Free inodes below which they are, too.
    pub reserve_inodes: u64,
}

/// The memory of tails.
#[derive(Debug, Clone, Default)]
pub struct TailStats {
    pub bytes: u64,
    pub bytes_max: u64,
    pub waits: u64,
    pub evicted_bytes: u64,
    pub pressure_flushes: u64,
}

/// Fetches of this shard, and those of any shard that wait for its partitions.
#[derive(Debug, Clone, Default)]
pub struct FetchStats {
    pub waiting: u64,
    /// Readers of any shard that wait for partitions of this one.
    pub delayed: u64,
    pub delayed_refused: u64,
    pub cut_short: u64,
    pub egress: EgressStats,
}

/// Open files, pages that were read, and the turns at the device.
#[derive(Debug, Clone, Default)]
pub struct DiskStats {
    pub open_files: OpenFileStats,
    pub cache: ReadCacheStats,
    pub classes: DiskClassStats,
}

/// Requests of shards to one another.
#[derive(Debug, Clone, Default)]
pub struct MeshStats {
    pub queued: u64,
    pub requests: u64,
    pub waits: u64,
}

/// What the shard has of the process.
#[derive(Debug, Clone, Default)]
pub struct ProcessStats {
    pub memory: MemoryUse,
    pub copied_bytes: u64,
}

/// The journal of one shard.
#[derive(Debug, Clone, Default)]
pub struct JournalStats {
    pub bytes: u64,
    pub slots: u64,
    pub slots_in_use: u64,
    pub written_bytes: u64,
    pub waits: u64,
    pub slot_reuses: u64,
    pub cleaning_nanos: u64,
    pub tails_carried: u64,
    pub tails_flushed: u64,
    pub checkpoints: u64,
    pub frame_bytes: Distribution,
    pub commit_nanos: Distribution,
}

/// One partition of the shard.
#[derive(Debug, Clone)]
pub struct PartitionStats {
    pub topic: Arc<str>,
    pub partition: PartitionIndex,
    pub log_start_offset: u64,
    pub log_end_offset: u64,
    pub size_bytes: u64,
    pub segments: u64,
    pub bytes_in: u64,
    pub messages_in: u64,
}

/// Where the figures of one shard come from.
pub(crate) struct StatsSource {
    pub(crate) counters: Rc<Counters>,
    pub(crate) partitions: Rc<PartitionParts>,
    pub(crate) disk: Rc<DiskParts>,
    pub(crate) commit: Rc<Commit>,
    pub(crate) egress: Rc<EgressBudget>,
    pub(crate) compaction: Rc<Compaction>,
    pub(crate) waiting: Rc<WaitingLanes>,
    pub(crate) groups: Rc<GroupHost>,
}

impl StatsSource {
    /// What this shard counts. Other tasks run in between; dropping the future leaves nothing behind.
    pub(crate) async fn gather(&self) -> ShardStats {
        let mut stats = self.own_stats();
        let partitions = self.partitions.table.all();
        stats.partitions.reserve(partitions.len());
        for some in partitions.chunks(PARTITIONS_A_TURN) {
            let known = some.iter().map(|partition| partition.borrow());
            stats.partitions.extend(known.filter(|it| !it.is_removed()).map(|it| partition_stats(&it)));
            millrace_rt::yield_now().await;
        }
        stats.groups = self.groups.stats().await;
        stats
    }

    fn own_stats(&self) -> ShardStats {
        let counters = &self.counters;
        let (queued_appends, queued_append_bytes) =
            { (self.commit.waiting_appends() as u64, self.commit.waiting_bytes() as u64) };
        ShardStats {
            appends: AppendStats {
                bytes_in: counters.append.bytes_in.get(),
                messages_in: counters.append.messages_in.get(),
                refused: counters.append.appends_refused.get(),
                overdue: counters.append.appends_overdue.get(),
                without_space: counters.append.appends_without_space.get(),
                rolls: counters.append.rolls.get(),
                queued: queued_appends,
                queued_bytes: queued_append_bytes,
                producers_forgotten: self.partitions.producers.forgotten(),
                producers_refused: self.partitions.producers.refused(),
            },
            journal: self.journal_stats(),
            segments: SegmentStats {
                writes: counters.segments.segment_writes.get(),
                written_bytes: counters.segments.segment_bytes.get(),
                extents: counters.segments.extents.get(),
                extent_bytes: counters.segments.extent_bytes.get(),
                reads: self.disk.files.reads.get(),
                read_bytes: self.disk.files.read_bytes.get(),
                full_disk_waits: counters.segments.full_disk_waits.get(),
                deleted: counters.segments.segments_deleted.get(),
                deleted_bytes: counters.segments.segment_deleted_bytes.get(),
                files_awaiting_deletion: self.disk.doomed.waiting() as u64,
            },
            space: SpaceStats {
                short: u64::from(self.disk.space.is_short()),
                reserve_bytes: self.disk.space.reserve_bytes(),
                reserve_inodes: self.disk.space.reserve_inodes(),
            },
            tails: TailStats {
                bytes: self.partitions.tails.bytes() as u64,
                bytes_max: self.partitions.tails.bytes_max() as u64,
                waits: counters.tails.tail_waits.get(),
                evicted_bytes: self.partitions.tails.evicted_bytes(),
                pressure_flushes: counters.tails.tail_pressure_flushes.get(),
            },
            fetches: FetchStats {
                waiting: counters.fetch.fetches_waiting.get(),
                delayed: self.partitions.purgatory.waiting() as u64,
                delayed_refused: self.partitions.purgatory.refused(),
                cut_short: counters.fetch.fetches_cut_short.get(),
                egress: self.egress.stats(),
            },
            disk: DiskStats {
                open_files: self.disk.files.open_files.stats(),
                cache: self.disk.files.cache.stats(),
                classes: self.commit.classes.stats(),
            },
            compaction: self.compaction.stats(),
            mesh: MeshStats {
                queued: self.waiting.queued() as u64,
                requests: counters.mesh.mesh_asks.get(),
                waits: counters.mesh.mesh_waits.get(),
            },
            process: ProcessStats {
                memory: millrace_rt::memory(),
                copied_bytes: millrace_rt::copied_bytes(),
            },
            partitions: Vec::new(),
            groups: GroupStats::default(),
        }
    }

    fn journal_stats(&self) -> JournalStats {
        let counters = &self.counters;
        let journal = self.commit.journal.borrow();
        let geometry = journal.geometry();
        JournalStats {
            bytes: (geometry.slot_count() * geometry.slot_bytes()) as u64,
            slots: geometry.slot_count() as u64,
            slots_in_use: journal.slots_in_use() as u64,
            written_bytes: counters.journal.journal_bytes.get(),
            waits: counters.journal.journal_waits.get(),
            slot_reuses: counters.journal.slot_reuses.get(),
            cleaning_nanos: counters.journal.cleaning_nanos.get(),
            tails_carried: counters.journal.tails_carried.get(),
            tails_flushed: counters.journal.tails_flushed.get(),
            checkpoints: counters.journal.checkpoints.get(),
            frame_bytes: counters.journal.frame_bytes.counts(),
            commit_nanos: counters.journal.commit_nanos.counts(),
        }
    }
}

fn partition_stats(partition: &Partition) -> PartitionStats {
    PartitionStats {
        topic: Arc::clone(&partition.topic),
        partition: partition.key.partition,
        log_start_offset: partition.ends.log_start_offset.0.unsigned_abs(),
        log_end_offset: partition.ends.log_end_offset.0.unsigned_abs(),
        size_bytes: partition.size_bytes(),
        segments: partition.segments.len() as u64,
        bytes_in: partition.traffic.bytes_in,
        messages_in: partition.traffic.messages_in,
    }
}
