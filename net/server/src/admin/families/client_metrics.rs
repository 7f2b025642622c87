//! Metrics that clients push: how many there are, and what they are.

use std::collections::BTreeMap;

use crate::admin::family::{Family, Kind, line};
use crate::telemetry::{ClientMetricsReport, PushedSample, SampleKind};

pub(crate) const KAFKAS: &[Family] = &[
    Family {
        name: "kafka_server_client_metrics_instance_count",
        kind: Kind::Gauge,
        labels: "",
        help: "Instances of clients that asked which metrics to push, while their connections are open.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.connected),
    },
    Family {
        name: "kafka_server_client_metrics_unknown_subscription_request_count",
        kind: Kind::Counter,
        labels: "",
        help: "Pushes of metrics for a subscription that has changed, or never was.",
        samples: |scrape, samples| {
            samples.add(&[], scrape.client_metrics.instances.unknown_subscriptions);
        },
    },
    Family {
        name: "kafka_server_client_metrics_throttle_count",
        kind: Kind::Counter,
        labels: "",
        help: "Questions and pushes that came before it was time.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.instances.throttled),
    },
    Family {
        name: "kafka_server_client_metrics_plugin_export_count",
        kind: Kind::Counter,
        labels: "",
        help: "Pushes of metrics that were taken.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.pushes.taken),
    },
    Family {
        name: "kafka_server_client_metrics_plugin_error_count",
        kind: Kind::Counter,
        labels: "",
        help: "Pushes of metrics that could not be read.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.pushes.unreadable),
    },
];

pub(crate) const OWN: &[Family] = &[
    Family {
        name: "millrace_client_metrics_pushed_bytes_total",
        kind: Kind::Counter,
        labels: "",
        help: "Bytes of metrics that clients pushed, as they came.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.pushes.bytes),
    },
    Family {
        name: "millrace_client_metrics_values_dropped_total",
        kind: Kind::Counter,
        labels: "",
        help: "Pushed values that are not shown: their client has pushed too many, or they are too long.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.pushes.dropped),
    },
    Family {
        name: "millrace_client_metrics_evicted_total",
        kind: Kind::Counter,
        labels: "",
        help: "Instances of clients that made room for others.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.instances.evicted),
    },
    Family {
        name: "millrace_client_metrics_bytes",
        kind: Kind::Gauge,
        labels: "",
        help: "Memory that instances of clients take, with what they pushed.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.bytes),
    },
    Family {
        name: "millrace_client_metrics_bytes_max",
        kind: Kind::Gauge,
        labels: "",
        help: "Memory that they may take.",
        samples: |scrape, samples| samples.add(&[], scrape.client_metrics.bytes_max),
    },
];

/// What clients pushed last, by name.
pub(crate) fn write_pushed(report: &ClientMetricsReport, text: &mut String) {
    let mut families: BTreeMap<&str, Vec<(&str, &PushedSample)>> = BTreeMap::new();
    for (name, labels, sample) in report.samples.iter().flat_map(|samples| samples.iter()) {
        families.entry(name).or_default().push((labels, sample));
    }
    for (name, values) in families {
        // If clients do not agree, the first one decides.
        let kind = match values.first().map(|(_, sample)| sample.kind) {
            Some(SampleKind::Counter) => Kind::Counter,
            Some(SampleKind::Gauge) | None => Kind::Gauge,
        };
        line(text, format_args!("# TYPE {name} {}", kind.name()));
        for (labels, sample) in values {
            line(text, format_args!("{name}{{{labels}}} {}", sample.value));
        }
    }
}
