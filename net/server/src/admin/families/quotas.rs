//! Metrics of client quotas: which clients they hold back, and what these spend.

use std::collections::BTreeMap;

use millrace_core::meta::QuotaKey;

use crate::admin::family::{Family, Kind, SampleWriter};
use crate::admin::scrape::Scrape;
use crate::metrics::counts::Throttles;
use crate::quota::MeterReport;

const MILLISECONDS: f64 = 1e3;

pub(crate) const KAFKAS: &[Family] = &[Family {
    name: "kafka_server_quota_throttle_time",
    kind: Kind::Gauge,
    labels: "resource,user,clientId",
    help: "Mean time for which throttled requests of a client were throttled, in milliseconds, of clients that have a \
           quota; at most 200, those that waited longest.",
    samples: |scrape, samples| {
        for meter in scrape.meters.iter().filter(|meter| meter.throttles > 0) {
            let mean = meter.throttled.as_secs_f64() * MILLISECONDS / meter.throttles as f64;
            let resource = resource(meter.key);
            samples
                .add(&[("resource", &resource), ("user", &meter.user), ("clientId", &meter.client_id)], mean);
        }
    },
}];

pub(crate) const OWN: &[Family] = &[
    Family {
        name: "millrace_quota_throttled_total",
        kind: Kind::Counter,
        labels: "quota",
        help: "Requests whose client was over a quota then, and connections of addresses that were.",
        samples: |scrape, samples| {
            for (key, throttles) in by_key(scrape) {
                samples.add(&[("quota", &key.name())], throttles.count);
            }
        },
    },
    Family {
        name: "millrace_quota_throttle_seconds_total",
        kind: Kind::Counter,
        labels: "quota",
        help: "Time for which connections were not read because of that.",
        samples: |scrape, samples| {
            for (key, throttles) in by_key(scrape) {
                samples.add(&[("quota", &key.name())], throttles.time.as_secs_f64());
            }
        },
    },
    Family {
        name: "millrace_quota_spent_total",
        kind: Kind::Counter,
        labels: "quota,user,client",
        help: "What clients with a quota have spent of it: bytes, seconds, partitions; of the same clients as \
               `kafka_server_quota_throttle_time`.",
        samples: |scrape, samples| {
            for meter in &scrape.meters {
                add_spent(samples, meter);
            }
        },
    },
    Family {
        name: "millrace_quota_clients",
        kind: Kind::Gauge,
        labels: "",
        help: "Clients and addresses that a quota is counted for; at most some 16,384.",
        samples: |scrape, samples| samples.add(&[], scrape.meter_count),
    },
];

fn add_spent(samples: &mut SampleWriter<'_>, meter: &MeterReport) {
    let quota = meter.key.name();
    samples.add(&[("quota", &quota), ("user", &meter.user), ("client", &meter.client_id)], meter.spent);
}

/// As Kafka's beans name their type.
fn resource(key: QuotaKey) -> &'static str {
    match key {
        QuotaKey::ProducerByteRate => "Produce",
        QuotaKey::ConsumerByteRate => "Fetch",
        QuotaKey::RequestPercentage => "Request",
        QuotaKey::ControllerMutationRate => "ControllerMutation",
        QuotaKey::ConnectionCreationRate => "socket-server-metrics",
    }
}

fn by_key(scrape: &Scrape) -> BTreeMap<QuotaKey, Throttles> {
    let mut sums: BTreeMap<QuotaKey, Throttles> =
        QuotaKey::ALL.into_iter().map(|key| (key, Throttles::default())).collect();
    for (key, throttles) in scrape.shards.iter().flat_map(|(_, report)| &report.server.throttles) {
        let sum = sums.entry(*key).or_default();
        sum.count += throttles.count;
        sum.time += throttles.time;
    }
    sums
}
