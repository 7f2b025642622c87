//! Metrics of compaction, under Kafka's names and ours.

use crate::admin::families::own::{by_shard, seconds_by_shard};
use crate::admin::family::{Family, Kind};
use crate::admin::scrape::Scrape;
use crate::metrics::counts::ShardReport;

pub(crate) const KAFKAS: &[Family] = &[
    Family {
        name: "kafka_log_logcleaner_cleaner_recopy_percent",
        kind: Kind::Gauge,
        labels: "",
        help: "Bytes that compaction wrote of those it read to be compacted, in percent, since the start.",
        samples: |scrape, samples| {
            let bytes_in = scrape.sum(|shard| shard.engine.compaction.bytes.replaced);
            let bytes_out = scrape.sum(|shard| shard.engine.compaction.bytes.replacing);
            samples.add(&[], (bytes_out * 100).checked_div(bytes_in).unwrap_or(0));
        },
    },
    Family {
        name: "kafka_log_logcleaner_max_buffer_utilization_percent",
        kind: Kind::Gauge,
        labels: "",
        help: "How full the key map of the newest pass was, of the shard where it was fullest.",
        samples: |scrape, samples| {
            samples.add(&[], largest(scrape, |shard| shard.engine.compaction.passes.map_percent));
        },
    },
    Family {
        name: "kafka_log_logcleaner_max_clean_time_secs",
        kind: Kind::Gauge,
        labels: "",
        help: "Seconds that the newest pass took, of the shard where it took longest.",
        samples: |scrape, samples| {
            samples.add(
                &[],
                largest(scrape, |shard| shard.engine.compaction.passes.last_nanos) / NANOS_PER_SECOND,
            );
        },
    },
    Family {
        name: "kafka_log_logcleaner_max_compaction_delay_secs",
        kind: Kind::Gauge,
        labels: "",
        help: "Seconds by which the log that waits longest is beyond its `max.compaction.lag.ms`, as of the newest search.",
        samples: |scrape, samples| {
            samples
                .add(&[], largest(scrape, |shard| shard.engine.compaction.backlog.delay_ms) / MS_PER_SECOND);
        },
    },
    Family {
        name: "kafka_log_logcleanermanager_max_dirty_percent",
        kind: Kind::Gauge,
        labels: "",
        help: "Share of the bytes of the dirtiest log that are not compacted yet and may be.",
        samples: |scrape, samples| {
            samples.add(&[], largest(scrape, |shard| shard.engine.compaction.backlog.dirty_percent));
        },
    },
    Family {
        name: "kafka_log_logcleanermanager_uncleanable_bytes",
        kind: Kind::Gauge,
        labels: "",
        help: "Bytes that compaction would have to look at in logs with a damaged batch, as of the newest search.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.sum(|shard| shard.engine.compaction.backlog.uncleanable_bytes));
        },
    },
    Family {
        name: "kafka_log_logcleanermanager_uncleanable_partitions_count",
        kind: Kind::Gauge,
        labels: "",
        help: "Logs that are not compacted before the next start, since they hold a damaged batch.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.sum(|shard| shard.engine.compaction.backlog.uncleanable));
        },
    },
];

pub(crate) const OWN: &[Family] = &[
    Family {
        name: "millrace_compaction_passes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Passes over logs that compaction has ended.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.compaction.passes.count),
    },
    Family {
        name: "millrace_compaction_seconds_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Seconds that they took.",
        samples: |scrape, samples| {
            seconds_by_shard(scrape, samples, |shard| shard.engine.compaction.passes.nanos);
        },
    },
    Family {
        name: "millrace_compaction_given_up_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Passes given up because the disk failed or was full; the log stays as it was.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.compaction.passes.given_up),
    },
    Family {
        name: "millrace_compaction_read_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes that compaction read.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.compaction.bytes.read),
    },
    Family {
        name: "millrace_compaction_written_bytes_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Bytes that compaction wrote.",
        samples: |scrape, samples| by_shard(scrape, samples, |shard| shard.engine.compaction.bytes.written),
    },
    Family {
        name: "millrace_compaction_records_dropped_total",
        kind: Kind::Counter,
        labels: "shard",
        help: "Records that compaction took out of logs.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.engine.compaction.bytes.records_dropped)
        },
    },
    Family {
        name: "millrace_compaction_dirty_bytes",
        kind: Kind::Gauge,
        labels: "shard",
        help: "Bytes of all logs that are not compacted yet and may be, as of the newest search.",
        samples: |scrape, samples| {
            by_shard(scrape, samples, |shard| shard.engine.compaction.backlog.dirty_bytes)
        },
    },
];

/// Kafka shows whole seconds.
const NANOS_PER_SECOND: u64 = 1_000_000_000;
const MS_PER_SECOND: u64 = 1_000;

fn largest(scrape: &Scrape, of: impl Fn(&ShardReport) -> u64) -> u64 {
    scrape.shards.iter().map(|(_, report)| of(report)).max().unwrap_or(0)
}
