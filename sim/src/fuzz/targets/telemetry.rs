//! Metrics of clients: subscriptions as they are set, and what is pushed.

use std::iter;

use millrace_core::base::config::{
    ClientAttribute, ClientMetricsFault, ClientMetricsSubscription, ConfigMap, WantedMetrics,
};
use millrace_server::count_pushed_values;
use millrace_wire::Writer;

use crate::chance::Chance;
use crate::fuzz::input::Input;
use crate::fuzz::meter::Bound;
use crate::fuzz::target::{Checked, Field, Target, TargetOutcome};

/// A line for each setting.
pub(in crate::fuzz) const SUBSCRIPTIONS: Target = Target {
    name: "client_metrics_subscriptions",
    decoders: &["client_metrics::parse"],
    generate: |chance| {
        let attribute = ["client_id", "client_software_name", "client_source_port"][chance.below(3) as usize];
        let pattern = ["a", "app-.*", "[0-9]+", "(a|b){9}", "\\w+", "x?"][chance.below(6) as usize];
        let text =
            format!("metrics=a,b.\ninterval.ms={}\nmatch={attribute}={pattern}", 100 + chance.below(900));
        text.into_bytes()
    },
    check: check_subscription,
    ..Target::PLAIN
};

/// OTLP's `MetricsData`, not compressed.
pub(in crate::fuzz) const PUSHED_METRICS: Target = Target {
    name: "pushed_metrics",
    decoders: &["payload::decode_push"],
    generate: metrics,
    // Every byte may be a length.
    fields: |bytes| (0..bytes.len().min(200)).map(|at| Field::big(at, 1)).collect(),
    check: |input| {
        let values = PUSH.hold(input.bytes.len(), || count_pushed_values(input.bytes))?;
        match values {
            Some(_) => Ok(TargetOutcome::Decoded),
            None if input.is_whole() => Err("a good push is refused".to_owned()),
            None => Ok(TargetOutcome::Refused),
        }
    },
    ..Target::PLAIN
};

/// Patterns may compile to some 100 KiB each, while they are read twice, and there are at most six kinds.
const SUBSCRIPTION: Bound = Bound { per_byte: 400, fixed: 4 << 20 };
/// Empty messages take most: two bytes become a value of two hundred,
/// in a list that has grown to twice its length.
const PUSH: Bound = Bound { per_byte: 500, fixed: 64 * 1024 };

fn check_subscription(input: &Input<'_>) -> Checked {
    let text = String::from_utf8_lossy(input.bytes);
    let settings: ConfigMap = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let parsed = SUBSCRIPTION.hold(text.len(), || {
        let subscription = ClientMetricsSubscription::parse(&settings)?;
        // Matching takes memory, too.
        let wanted = WantedMetrics::of(iter::once(&subscription), |attribute| match attribute {
            ClientAttribute::Id => Some("app-1"),
            ClientAttribute::SourcePort => Some("1234"),
            _ => None,
        });
        Ok::<_, ClientMetricsFault>(wanted)
    })?;
    match parsed {
        Ok(_) => Ok(TargetOutcome::Decoded),
        Err(fault) if input.is_whole() => Err(format!("good settings are refused: {fault:?}")),
        Err(_) => Ok(TargetOutcome::Refused),
    }
}

/// A message in the field of this number.
fn message(field: u8, body: &[u8]) -> Vec<u8> {
    let mut length = Writer::new();
    length.uvarint(body.len() as u32);
    [&[field << 3 | 2], &length.finish().concat()[..], body].concat()
}

/// Gauges and sums of some points with some attributes, of some resources.
fn metrics(chance: &mut Chance) -> Vec<u8> {
    let attribute = |chance: &mut Chance| {
        let value = message(1, &vec![b'v'; chance.below(9) as usize]);
        [message(1, b"key"), message(2, &value)].concat()
    };
    let point = |chance: &mut Chance| {
        let attributes = (0..chance.below(3)).flat_map(|_| message(7, &attribute(chance)));
        let mut point: Vec<u8> = attributes.collect();
        point.push(4 << 3 | 1);
        point.extend(1.5f64.to_le_bytes());
        point
    };
    let metric = |chance: &mut Chance| {
        let points: Vec<u8> = (0..chance.below(4)).flat_map(|_| message(1, &point(chance))).collect();
        let kind = if chance.one_in(2) { 5 } else { 7 };
        [message(1, b"org.apache.kafka.a"), message(kind, &points)].concat()
    };
    let resource = |chance: &mut Chance| {
        let metrics: Vec<u8> = (0..chance.below(4)).flat_map(|_| message(2, &metric(chance))).collect();
        [message(1, &message(1, &attribute(chance))), message(2, &metrics)].concat()
    };
    (0..chance.below(3)).flat_map(|_| message(1, &resource(chance))).collect()
}
