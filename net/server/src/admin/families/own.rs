//! Metrics of our own: what Kafka has no name for, each by shard, so that an uneven load shows.

use std::collections::BTreeMap;

use crate::admin::families::timings;
use crate::admin::family::{Family, Kind, SampleWriter};
use crate::admin::scrape::Scrape;
use crate::broker::lifecycle::Phase;
use crate::metrics::counts::ShardReport;

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "millrace_build",
        kind: Kind::Gauge,
        labels: "version",
        help: "Always 1; the label is what is of interest.",
        samples: |_, samples| samples.add(&[("version", &env!("CARGO_PKG_VERSION"))], 1),
    },
    Family {
        name: "millrace_ready",
        kind: Kind::Gauge,
        labels: "",
        help: "1 while clients are served.",
        samples: |scrape, samples| samples.add(&[], u8::from(scrape.phase == Some(Phase::Serving))),
    },
    Family {
        name: "millrace_uptime_seconds",
        kind: Kind::Gauge,
        labels: "",
        help: "Time since the process began to listen for scrapes.",
        samples: |scrape, samples| samples.add(&[], scrape.uptime.as_secs_f64()),
    },
    Family {
        name: "millrace_shards_not_answering",
        kind: Kind::Gauge,
        labels: "",
        help: "Shards that did not answer this scrape in time.",
        samples: |scrape, samples| samples.add(&[], scrape.missing_shards),
    },
    Family {
        name: "millrace_log_lines_lost_total",
        kind: Kind::Counter,
        labels: "",
        help: "Lines of the log that nobody read in time.",
        samples: |scrape, samples| samples.add(&[], scrape.log_lines_lost),
    },
    Family {
        name: "millrace_process_cpu_seconds_total",
        kind: Kind::Counter,
        labels: "",
        help: "Processor time of the process.",
        samples: |scrape, samples| samples.add(&[], scrape.process.cpu_seconds),
    },
    Family {
        name: "millrace_process_resident_bytes",
        kind: Kind::Gauge,
        labels: "",
        help: "Memory of the process that is resident.",
        samples: |scrape, samples| samples.add(&[], scrape.process.resident_bytes),
    },
    Family {
        name: "millrace_process_open_descriptors",
        kind: Kind::Gauge,
        labels: "",
        help: "Descriptors that the process has open.",
        samples: |scrape, samples| samples.add(&[], scrape.process.open_descriptors),
    },
    Family {
        name: "millrace_data_available_bytes",
        kind: Kind::Gauge,
        labels: "",
        help: "Free space of the data directory's file system.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.broker.data_available.map_or(0, |space| space.bytes));
        },
    },
    Family {
        name: "millrace_data_available_inodes",
        kind: Kind::Gauge,
        labels: "",
        help: "Files and directories that can still be made there; 2^64 where the file system does not count them.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.broker.data_available.map_or(0, |space| space.inodes));
        },
    },
    Family {
        name: "millrace_limited_total",
        kind: Kind::Counter,
        labels: "limit",
        help: "Times that a limit made a client wait, be refused or be closed.",
        samples: limited,
    },
    Family {
        name: "millrace_request_bytes_total",
        kind: Kind::Counter,
        labels: "request",
        help: "Bytes of requests by API.",
        samples: request_bytes,
    },
    Family {
        name: "millrace_request_seconds",
        kind: Kind::Histogram,
        labels: "request",
        help: "Time from a request's last byte to the end of its answer.",
        samples: |scrape, samples| {
            for (request, times) in timings::totals(scrape) {
                samples.seconds(&[("request", &request)], &times);
            }
        },
    },
    Family {
        name: "millrace_produce_stage_seconds",
        kind: Kind::Histogram,
        labels: "stage",
        help: "Time of produce requests in each stage; their sum is that of the requests.",
        samples: |scrape, samples| {
            for (stage, times) in timings::produce(scrape) {
                samples.seconds(&[("stage", &stage)], &times);
            }
        },
    },
    Family {
        name: "millrace_fetch_stage_seconds",
        kind: Kind::Histogram,
        labels: "stage",
        help: "Time of fetches in each stage; their sum is that of the requests.",
        samples: |scrape, samples| {
            for (stage, times) in timings::fetch(scrape) {
                samples.seconds(&[("stage", &stage)], &times);
            }
        },
    },
    Family {
        name: "millrace_connections",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Connections that a shard serves.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.server.connections.open),
    },
    Family {
        name: "millrace_connections_accepted_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Connections accepted; shard 0 accepts for all.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.server.connections.accepted),
    },
    Family {
        name: "millrace_connections_moved_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Connections that left for the shard which owns their data.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.server.connections.moved_away),
    },
    Family {
        name: "millrace_requests_refused_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Connections closed for bytes that are no request which is served.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.server.connections.refused_requests)
        },
    },
    Family {
        name: "millrace_request_memory_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Memory that requests hold while they are received and handled.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.server.request_memory.bytes),
    },
    Family {
        name: "millrace_request_memory_bytes_max",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Most that requests may hold; beyond it connections are not read.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.server.request_memory.bytes_max),
    },
    Family {
        name: "millrace_request_memory_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Times that a connection waited for memory for its request.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.server.request_memory.waits),
    },
    Family {
        name: "millrace_append_queue_batches",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Batches that wait to be sealed.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.appends.queued),
    },
    Family {
        name: "millrace_append_queue_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Bytes of batches that wait to be sealed.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.appends.queued_bytes),
    },
    Family {
        name: "millrace_appends_refused_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Batches refused before they were queued: damaged, too large, of no partition.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.appends.refused),
    },
    Family {
        name: "millrace_segment_rolls_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Segments begun behind a full or old one.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.appends.rolls),
    },
    Family {
        name: "millrace_journal_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Size of the journal.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.bytes),
    },
    Family {
        name: "millrace_journal_slots",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Slots of the journal.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.slots),
    },
    Family {
        name: "millrace_journal_slots_in_use",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Slots whose frames are still needed.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.slots_in_use),
    },
    Family {
        name: "millrace_journal_written_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes written to the journal.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.written_bytes),
    },
    Family {
        name: "millrace_journal_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Times that appends found no room in the journal.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.waits),
    },
    Family {
        name: "millrace_journal_slot_reuses_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Slots that were cleaned and released for reuse.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.slot_reuses),
    },
    Family {
        name: "millrace_journal_cleaning_seconds_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Time spent cleaning slots.",
        samples: |scrape, samples| {
            seconds_by_shard(scrape, samples, |shard| shard.engine.journal.cleaning_nanos)
        },
    },
    Family {
        name: "millrace_journal_tails_carried_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Tails that a cleaning logged again.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.tails_carried),
    },
    Family {
        name: "millrace_journal_tails_flushed_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Tails that a cleaning wrote to their segments.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.tails_flushed),
    },
    Family {
        name: "millrace_checkpoints_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Checkpoints written.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.journal.checkpoints),
    },
    Family {
        name: "millrace_journal_frame_bytes",
        kind: Kind::Histogram,
        labels: "shard",
        help: "Sizes of sealed frames.",
        samples: |scrape, samples| {
            for (shard, report) in &scrape.shards {
                samples.bytes(&[("shard", shard)], &report.engine.journal.frame_bytes);
            }
        },
    },
    Family {
        name: "millrace_commit_seconds",
        kind: Kind::Histogram,
        labels: "shard",
        help: "Time of each write to the journal.",
        samples: |scrape, samples| {
            for (shard, report) in &scrape.shards {
                samples.seconds(&[("shard", shard)], &report.engine.journal.commit_nanos);
            }
        },
    },
    Family {
        name: "millrace_tail_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Memory of the logs' ends.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.tails.bytes),
    },
    Family {
        name: "millrace_tail_bytes_max",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Above it appends wait; above three quarters of it ends are written early and let go of.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.tails.bytes_max),
    },
    Family {
        name: "millrace_tail_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Times that appends waited for memory of the logs' ends.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.tails.waits),
    },
    Family {
        name: "millrace_tail_evicted_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Memory of the logs' ends that was let go of since it was short; the bytes are in segment files.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.tails.evicted_bytes),
    },
    Family {
        name: "millrace_tail_pressure_flushes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Ends of logs written to their segments early since memory was short.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.tails.pressure_flushes),
    },
    Family {
        name: "millrace_fetches_waiting",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Fetches that wait for bytes.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.waiting),
    },
    Family {
        name: "millrace_fetches_cut_short_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Fetches that had what their readers wait for, and left partitions that the disk did not bring soon for the next.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.fetches.cut_short),
    },
    Family {
        name: "millrace_mesh_asks_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Questions to other shards; each is a hop there and back.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.mesh.requests),
    },
    Family {
        name: "millrace_mesh_waits_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Questions to other shards that found the lane full.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.mesh.waits),
    },
    Family {
        name: "millrace_block_bytes_in_use",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Blocks of memory that somebody holds.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.engine.process.memory.in_use_bytes)
        },
    },
    Family {
        name: "millrace_block_bytes_pooled",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Blocks of memory kept for the next use.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.engine.process.memory.pooled_bytes)
        },
    },
    Family {
        name: "millrace_payload_copied_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes of records copied in memory.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.process.copied_bytes),
    },
];

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;

pub(super) fn by_shard(scrape: &Scrape, samples: &mut SampleWriter<'_>, value: fn(&ShardReport) -> u64) {
    for (shard, report) in &scrape.shards {
        samples.add(&[("shard", shard)], value(report));
    }
}

/// As `by_shard`, of nanoseconds.
pub(super) fn seconds_by_shard(
    scrape: &Scrape,
    samples: &mut SampleWriter<'_>,
    nanos: fn(&ShardReport) -> u64,
) {
    for (shard, report) in &scrape.shards {
        samples.add(&[("shard", shard)], nanos(report) as f64 / NANOS);
    }
}

fn limited(scrape: &Scrape, samples: &mut SampleWriter<'_>) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (limit, count) in scrape.shards.iter().flat_map(|(_, report)| &report.server.limits) {
        *sums.entry(limit).or_default() += count;
    }
    for (limit, count) in sums {
        samples.add(&[("limit", &limit)], count);
    }
}

fn request_bytes(scrape: &Scrape, samples: &mut SampleWriter<'_>) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for api in scrape.shards.iter().flat_map(|(_, report)| &report.server.apis) {
        *sums.entry(api.name).or_default() += api.request_bytes;
    }
    for (request, bytes) in sums {
        samples.add(&[("request", &request)], bytes);
    }
}
