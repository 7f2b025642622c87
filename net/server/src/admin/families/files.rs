//! Metrics of segment files: how many are open, what of them is cached, and what retention deletes.

use crate::admin::families::own::by_shard;
use crate::admin::family::{Family, Kind};

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "millrace_open_segment_files",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Segment files that are open.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.open_files.open),
    },
    Family {
        name: "millrace_open_segment_files_max",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Above it segment files are closed that nobody used of late.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.open_files.open_max),
    },
    Family {
        name: "millrace_segment_files_opened_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Segment files opened, also those that were closed before.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.open_files.opened),
    },
    Family {
        name: "millrace_segment_files_evicted_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Segment files closed to make room for others.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.open_files.evicted),
    },
    Family {
        name: "millrace_descriptor_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Times that a segment file found no descriptor left, though fewer were open than may be.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.open_files.waits),
    },
    Family {
        name: "millrace_read_cache_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Bytes of segment files kept for the next reader.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.bytes),
    },
    Family {
        name: "millrace_read_cache_bytes_max",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Above it bytes of segment files are let go of that nobody read of late.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.bytes_max),
    },
    Family {
        name: "millrace_read_cache_hits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Pages that a reader wanted and that were in memory.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.hits),
    },
    Family {
        name: "millrace_read_cache_misses_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Pages that a reader wanted and had to wait for.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.misses),
    },
    Family {
        name: "millrace_read_cache_ahead_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Pages read before a sequential reader asked for them.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.ahead),
    },
    Family {
        name: "millrace_read_cache_evictions_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Pages let go of to make room for others.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.evictions),
    },
    Family {
        name: "millrace_read_cache_summed_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes of batches whose checksum was computed because they came from a file: once while their pages stay.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.summed_bytes),
    },
    Family {
        name: "millrace_page_loads_queued",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Pages that wait for one of the four reads that a shard has under way.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.cache.queued),
    },
    Family {
        name: "millrace_asks_queued",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Questions of other shards that wait for one of the sixteen that a shard serves at a time.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.mesh.queued),
    },
    Family {
        name: "millrace_segments_deleted_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Segments that logs begin behind, by retention or by request, and that are deleted.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.deleted),
    },
    Family {
        name: "millrace_segment_deleted_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes of those segments.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.deleted_bytes),
    },
    Family {
        name: "millrace_files_awaiting_deletion",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Files of deleted segments that wait for file.delete.delay.ms.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.engine.segments.files_awaiting_deletion)
        },
    },
];
