//! Metrics of segment files and of the disk below them.

use crate::admin::families::own::{by_shard, seconds_by_shard};
use crate::admin::family::{Family, Kind};

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "millrace_segment_writes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Writes to segment files.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.writes),
    },
    Family {
        name: "millrace_segment_written_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes written to segment files.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.written_bytes),
    },
    Family {
        name: "millrace_segment_reads_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Ranges of logs read from segment files.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.reads),
    },
    Family {
        name: "millrace_segment_read_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes of logs read from segment files.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.read_bytes),
    },
    Family {
        name: "millrace_disk_turn_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Cold reads and deletions that waited for commits before they went to the device.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.disk.classes.waits),
    },
    Family {
        name: "millrace_disk_turn_wait_seconds_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Seconds that they waited.",
        samples: |scrape, samples| {
            seconds_by_shard(scrape, samples, |shard| shard.engine.disk.classes.wait_nanos);
        },
    },
    Family {
        name: "millrace_extents_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Times that a partition's appends were written to its segment first and only named in the journal.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.extents),
    },
    Family {
        name: "millrace_extent_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes of logs that were written to segments this way.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.extent_bytes),
    },
    Family {
        name: "millrace_disk_full_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Writes to segments that the disk had no room for; they are repeated.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.segments.full_disk_waits),
    },
    Family {
        name: "millrace_overdue_appends_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Appends that were refused because too many wait for the disk.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.appends.overdue),
    },
    Family {
        name: "millrace_producers_forgotten_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Idle producers that were forgotten before producer.id.expiration.ms, since so many came.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.engine.appends.producers_forgotten)
        },
    },
    Family {
        name: "millrace_producers_refused_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Batches of new producers that were refused, since as many are remembered as memory allows and none is idle.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.appends.producers_refused),
    },
    Family {
        name: "millrace_disk_reserve_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Free space below which records are refused.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.space.reserve_bytes),
    },
    Family {
        name: "millrace_disk_reserve_inodes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Free inodes below which records are refused.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.space.reserve_inodes),
    },
    Family {
        name: "millrace_disk_short",
        kind: Kind::Gauge,
        labels: "shard",
        help: "1 while records are refused for want of free space or free inodes.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.space.short),
    },
    Family {
        name: "millrace_disk_refused_appends_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Appends that were refused for want of free space.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.appends.without_space),
    },
];
