//! Metrics under the names that Kafka's JMX exporter gives them,
//! so that dashboards made for Kafka show this broker.

use std::collections::BTreeMap;

use millrace_core::base::measure::Distribution;
use millrace_shard::PartitionStats;

use crate::admin::families::timings;
use crate::admin::family::{Family, Kind, SampleWriter};
use crate::admin::scrape::Scrape;
use crate::broker::lifecycle::Phase;
use crate::metrics::counts::TopicTraffic;

/// States of a broker as Kafka numbers them.
const STATE_STARTING: u8 = 1;
const STATE_RUNNING: u8 = 3;
const STATE_STOPPING: u8 = 6;

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "kafka_server_kafkaserver_brokerstate",
        kind: Kind::Gauge,
        labels: "",
        help: "1 while starting, 3 while serving, 6 while stopping.",
        samples: |scrape, samples| samples.add(&[], broker_state(scrape)),
    },
    Family {
        name: "kafka_server_brokertopicmetrics_messagesin_total",
        kind: Kind::Counter,
        labels: "topic",
        help: "Records appended; without a label, of all topics.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.sum(|shard| shard.engine.appends.messages_in));
            by_topic(scrape, samples, |partition| partition.messages_in);
        },
    },
    Family {
        name: "kafka_server_brokertopicmetrics_bytesin_total",
        kind: Kind::Counter,
        labels: "topic",
        help: "Bytes of batches appended; without a label, of all topics.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.sum(|shard| shard.engine.appends.bytes_in));
            by_topic(scrape, samples, |partition| partition.bytes_in);
        },
    },
    Family {
        name: "kafka_server_brokertopicmetrics_bytesout_total",
        kind: Kind::Counter,
        labels: "topic",
        help: "Bytes of batches that fetches were answered with; without a label, of all topics.",
        samples: |scrape, samples| traffic(scrape, samples, |traffic| traffic.bytes_out),
    },
    Family {
        name: "kafka_server_brokertopicmetrics_totalproducerequests_total",
        kind: Kind::Counter,
        labels: "topic",
        help: "Partitions in produce requests; without a label, of all topics.",
        samples: |scrape, samples| traffic(scrape, samples, |traffic| traffic.produce_requests),
    },
    Family {
        name: "kafka_server_brokertopicmetrics_failedproducerequests_total",
        kind: Kind::Counter,
        labels: "topic",
        help: "Partitions in produce requests that were answered with an error; without a label, of all topics.",
        samples: |scrape, samples| traffic(scrape, samples, |traffic| traffic.produce_failures),
    },
    Family {
        name: "kafka_server_brokertopicmetrics_totalfetchrequests_total",
        kind: Kind::Counter,
        labels: "topic",
        help: "Partitions in fetch requests; without a label, of all topics.",
        samples: |scrape, samples| traffic(scrape, samples, |traffic| traffic.fetch_requests),
    },
    Family {
        name: "kafka_server_brokertopicmetrics_failedfetchrequests_total",
        kind: Kind::Counter,
        labels: "topic",
        help: "Partitions in fetch requests that were answered with an error; without a label, of all topics.",
        samples: |scrape, samples| traffic(scrape, samples, |traffic| traffic.fetch_failures),
    },
    Family {
        name: "kafka_network_requestmetrics_requests_total",
        kind: Kind::Counter,
        labels: "request,version",
        help: "Requests by API and version.",
        samples: requests,
    },
    Family {
        name: "kafka_network_requestmetrics_errors_total",
        kind: Kind::Counter,
        labels: "request,error",
        help: "Partitions answered with an error, of Produce and Fetch.",
        samples: errors,
    },
    Family {
        name: "kafka_network_requestmetrics_totaltimems",
        kind: Kind::Gauge,
        labels: "request,quantile",
        help: "Time from a request's last byte to the end of its answer, in milliseconds, since the start.",
        samples: |scrape, samples| {
            for (request, times) in timings::totals(scrape) {
                quantiles(request, &times, samples);
            }
        },
    },
    Family {
        name: "kafka_network_requestmetrics_totaltimems_count",
        kind: Kind::Counter,
        labels: "request",
        help: "Requests whose answer has left.",
        samples: |scrape, samples| {
            for (request, times) in timings::totals(scrape) {
                samples.add(&[("request", &request)], times.count());
            }
        },
    },
    Family {
        name: "kafka_network_requestmetrics_requestqueuetimems",
        kind: Kind::Gauge,
        labels: "request,quantile",
        help: "Time until a request was handed to the engine, in milliseconds, of Produce and Fetch.",
        samples: |scrape, samples| stage(scrape, samples, "queue"),
    },
    Family {
        name: "kafka_network_requestmetrics_remotetimems",
        kind: Kind::Gauge,
        labels: "request,quantile",
        help: "Time that a fetch waited for bytes, in milliseconds.",
        samples: |scrape, samples| stage(scrape, samples, "wait"),
    },
    Family {
        name: "kafka_network_requestmetrics_responsesendtimems",
        kind: Kind::Gauge,
        labels: "request,quantile",
        help: "Time from the result to the end of the answer, in milliseconds, of Produce and Fetch.",
        samples: |scrape, samples| stage(scrape, samples, "send"),
    },
    Family {
        name: "kafka_server_socket_server_metrics_connection_count",
        kind: Kind::Gauge,
        labels: "networkProcessor",
        help: "Connections that each shard serves.",
        samples: |scrape, samples| {
            for (shard, report) in &scrape.shards {
                samples.add(&[("networkProcessor", shard)], report.server.connections.open);
            }
        },
    },
    Family {
        name: "kafka_server_delayedoperationpurgatory_purgatorysize",
        kind: Kind::Gauge,
        labels: "delayedOperation",
        help: "Fetches that wait for bytes.",
        samples: |scrape, samples| {
            samples.add(&[("delayedOperation", &"Fetch")], scrape.sum(|shard| shard.engine.fetches.waiting));
        },
    },
    Family {
        name: "kafka_server_fetchsessioncache_numincrementalfetchsessions",
        kind: Kind::Gauge,
        labels: "",
        help: "Incremental fetch sessions.",
        samples: |scrape, samples| samples.add(&[], scrape.sum(|shard| shard.server.fetch_sessions.sessions)),
    },
    Family {
        name: "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions of all incremental fetch sessions.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.sum(|shard| shard.server.fetch_sessions.partitions))
        },
    },
    Family {
        name: "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total",
        kind: Kind::Counter,
        labels: "",
        help: "Incremental fetch sessions that gave way to others.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.sum(|shard| shard.server.fetch_sessions.evictions))
        },
    },
    Family {
        name: "kafka_server_replicamanager_partitioncount",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions of this broker.",
        samples: |scrape, samples| samples.add(&[], scrape.sum(|shard| shard.engine.partitions.len() as u64)),
    },
    Family {
        name: "kafka_server_replicamanager_leadercount",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions that this broker leads: all of them.",
        samples: |scrape, samples| samples.add(&[], scrape.sum(|shard| shard.engine.partitions.len() as u64)),
    },
    Family {
        name: "kafka_server_replicamanager_underreplicatedpartitions",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions with a replica that is behind: none while each has one replica.",
        samples: |_, samples| samples.add(&[], 0),
    },
    Family {
        name: "kafka_server_replicamanager_underminisrpartitioncount",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions with fewer replicas in sync than they must have: none while each has one replica.",
        samples: |_, samples| samples.add(&[], 0),
    },
    Family {
        name: "kafka_server_replicamanager_isrshrinks_total",
        kind: Kind::Counter,
        labels: "",
        help: "Replicas that fell behind: none while each partition has one.",
        samples: |_, samples| samples.add(&[], 0),
    },
    Family {
        name: "kafka_server_replicamanager_isrexpands_total",
        kind: Kind::Counter,
        labels: "",
        help: "Replicas that caught up: none while each partition has one.",
        samples: |_, samples| samples.add(&[], 0),
    },
    Family {
        name: "kafka_controller_controllerstats_uncleanleaderelections_total",
        kind: Kind::Counter,
        labels: "",
        help: "Leaders elected out of sync: none while each partition has one replica.",
        samples: |_, samples| samples.add(&[], 0),
    },
    Family {
        name: "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions whose leader is not their first replica: none while each has one.",
        samples: |_, samples| samples.add(&[], 0),
    },
    Family {
        name: "kafka_server_replicamanager_offlinereplicacount",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions of the metadata that no shard that answers serves.",
        samples: |scrape, samples| samples.add(&[], offline_partitions(scrape)),
    },
    Family {
        name: "kafka_controller_kafkacontroller_activecontrollercount",
        kind: Kind::Gauge,
        labels: "",
        help: "1 while this broker is the controller.",
        samples: |scrape, samples| samples.add(&[], u8::from(scrape.phase == Some(Phase::Serving))),
    },
    Family {
        name: "kafka_controller_kafkacontroller_activebrokercount",
        kind: Kind::Gauge,
        labels: "",
        help: "Brokers that serve.",
        samples: |scrape, samples| samples.add(&[], u8::from(scrape.phase == Some(Phase::Serving))),
    },
    Family {
        name: "kafka_controller_kafkacontroller_offlinepartitionscount",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions without a leader: those that no shard that answers serves.",
        samples: |scrape, samples| samples.add(&[], offline_partitions(scrape)),
    },
    Family {
        name: "kafka_controller_kafkacontroller_globaltopiccount",
        kind: Kind::Gauge,
        labels: "",
        help: "Topics.",
        samples: |scrape, samples| samples.add(&[], scrape.broker.topics),
    },
    Family {
        name: "kafka_controller_kafkacontroller_globalpartitioncount",
        kind: Kind::Gauge,
        labels: "",
        help: "Partitions of all topics.",
        samples: |scrape, samples| samples.add(&[], scrape.broker.partitions),
    },
    Family {
        name: "kafka_log_log_size",
        kind: Kind::Gauge,
        labels: "topic,partition",
        help: "Bytes of a partition's log.",
        samples: |scrape, samples| by_partition(scrape, samples, |partition| partition.size_bytes),
    },
    Family {
        name: "kafka_log_log_numlogsegments",
        kind: Kind::Gauge,
        labels: "topic,partition",
        help: "Segments of a partition's log.",
        samples: |scrape, samples| by_partition(scrape, samples, |partition| partition.segments),
    },
    Family {
        name: "kafka_log_log_logstartoffset",
        kind: Kind::Gauge,
        labels: "topic,partition",
        help: "First offset of a partition's log.",
        samples: |scrape, samples| by_partition(scrape, samples, |partition| partition.log_start_offset),
    },
    Family {
        name: "kafka_log_log_logendoffset",
        kind: Kind::Gauge,
        labels: "topic,partition",
        help: "Offset that the next record of a partition gets.",
        samples: |scrape, samples| by_partition(scrape, samples, |partition| partition.log_end_offset),
    },
];

/// Shares of requests as Kafka's histograms name them.
const QUANTILES: [(&str, f64); 6] =
    [("0.50", 0.5), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];

const NANOS_PER_MILLISECOND: f64 = 1e6;

fn quantiles(request: &str, times: &Distribution, samples: &mut SampleWriter<'_>) {
    for (name, share) in QUANTILES {
        let milliseconds = times.quantile(share) as f64 / NANOS_PER_MILLISECOND;
        samples.add(&[("request", &request), ("quantile", &name)], milliseconds);
    }
}

fn stage(scrape: &Scrape, samples: &mut SampleWriter<'_>, stage: &str) {
    for (request, stages) in [("Produce", timings::produce(scrape)), ("Fetch", timings::fetch(scrape))] {
        for (_, times) in stages.iter().filter(|(name, _)| *name == stage) {
            quantiles(request, times, samples);
        }
    }
}

fn broker_state(scrape: &Scrape) -> u8 {
    match scrape.phase {
        Some(Phase::Serving) => STATE_RUNNING,
        Some(Phase::Stopping) => STATE_STOPPING,
        Some(Phase::Starting) | None => STATE_STARTING,
    }
}

fn offline_partitions(scrape: &Scrape) -> u64 {
    let served = scrape.sum(|shard| shard.engine.partitions.len() as u64);
    scrape.broker.partitions.saturating_sub(served)
}

fn by_topic(scrape: &Scrape, samples: &mut SampleWriter<'_>, value: fn(&PartitionStats) -> u64) {
    let mut topics: BTreeMap<&str, u64> = BTreeMap::new();
    for partition in scrape.shards.iter().flat_map(|(_, report)| &report.engine.partitions) {
        *topics.entry(&partition.topic).or_default() += value(partition);
    }
    for (topic, value) in topics {
        samples.add(&[("topic", &topic)], value);
    }
}

fn by_partition(scrape: &Scrape, samples: &mut SampleWriter<'_>, value: fn(&PartitionStats) -> u64) {
    for partition in scrape.shards.iter().flat_map(|(_, report)| &report.engine.partitions) {
        samples.add(&[("topic", &partition.topic), ("partition", &partition.partition)], value(partition));
    }
}

fn traffic(scrape: &Scrape, samples: &mut SampleWriter<'_>, value: fn(&TopicTraffic) -> u64) {
    samples.add(&[], scrape.sum(|shard| value(&shard.server.traffic)));
    let mut topics: BTreeMap<&str, u64> = BTreeMap::new();
    for (topic, traffic) in scrape.shards.iter().flat_map(|(_, report)| &report.server.topics) {
        *topics.entry(topic).or_default() += value(traffic);
    }
    for (topic, value) in topics {
        samples.add(&[("topic", &topic)], value);
    }
}

fn requests(scrape: &Scrape, samples: &mut SampleWriter<'_>) {
    let mut sums: BTreeMap<(&str, i16), u64> = BTreeMap::new();
    for api in scrape.shards.iter().flat_map(|(_, report)| &report.server.apis) {
        for (version, count) in &api.versions {
            *sums.entry((api.name, *version)).or_default() += count;
        }
    }
    for ((request, version), count) in sums {
        samples.add(&[("request", &request), ("version", &version)], count);
    }
}

fn errors(scrape: &Scrape, samples: &mut SampleWriter<'_>) {
    let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for api in scrape.shards.iter().flat_map(|(_, report)| &report.server.apis) {
        for (error, count) in &api.errors {
            *sums.entry((api.name, error)).or_default() += count;
        }
    }
    for ((request, error), count) in sums {
        samples.add(&[("request", &request), ("error", &error)], count);
    }
}
