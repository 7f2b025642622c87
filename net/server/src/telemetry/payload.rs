//! What a push holds: OpenTelemetry's `MetricsData` (OTLP 1), read metric by metric, so that no push takes
//! more memory than a few times its largest metric.

use std::fmt::Write;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use millrace_core::log::{Codec, decompress};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, NumberDataPoint, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};

use crate::metrics::labels::{add_label, has_label};
use crate::telemetry::samples::{Merging, PushedSamples, SampleKind, Temporality};

/// The most bytes of a metric with all its points, or of the attributes of a resource. Reading it takes two
/// hundred times as many. Kafka's clients push metrics of some hundred bytes,
/// librdkafka some hundred for each broker.
const PART_BYTES_MAX: usize = 32 * 1024;

/// The most bytes of the name and labels of one value.
const TEXT_BYTES_MAX: usize = 2048;

/// Beginnings of names of the broker's own metrics. What clients push under other names than those of Kafka's
/// clients gets another beginning, so that no client can speak for the broker.
const KAFKA_CLIENTS: &str = "org_apache_kafka_";
const OTHER_CLIENTS: &str = "client_";

// Fields of OTLP's messages.
const RESOURCE_METRICS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_METRICS: u32 = 2;
const METRICS: u32 = 2;

/// A push that was admitted.
pub(crate) struct Reading {
    pub(crate) codec: Codec,
    pub(crate) metrics: Bytes,
    /// Most bytes, inflated.
    pub(crate) bytes_max: usize,
    /// The labels of every value of this client.
    pub(crate) labels: String,
    pub(crate) before: Arc<PushedSamples>,
    /// Most bytes that its values may take.
    pub(crate) samples_bytes_max: usize,
}

/// A push that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl From<DecodeError> for Unreadable {
    fn from(_: DecodeError) -> Unreadable {
        Unreadable
    }
}

/// Returns all values of the client, and how many found no room or were too long.
pub(crate) fn decode_push(reading: &Reading) -> Result<(PushedSamples, u64), Unreadable> {
    let data = decompress(reading.codec, &reading.metrics, reading.bytes_max).map_err(|_| Unreadable)?;
    let mut merging = Merging::new(&reading.before, reading.samples_bytes_max);
    parts(&data, RESOURCE_METRICS, |of_resource| {
        let mut labels = reading.labels.clone();
        parts(of_resource, RESOURCE, |resource| {
            if resource.len() <= PART_BYTES_MAX {
                add_labels(&mut labels, &Resource::decode(resource)?.attributes);
            }
            Ok(())
        })?;
        parts(of_resource, SCOPE_METRICS, |of_scope| {
            parts(of_scope, METRICS, |metric| {
                match metric.len() <= PART_BYTES_MAX {
                    true => add_metric(&mut merging, &labels, Metric::decode(metric)?),
                    false => merging.dropped += 1,
                }
                Ok(())
            })
        })
    })?;
    Ok(merging.finish())
}

/// Returns the number of values of an uncompressed push, or `None` if it cannot be read.
/// Used to fuzz the decoder.
#[doc(hidden)]
pub fn count_pushed_values(metrics: &[u8]) -> Option<usize> {
    let reading = Reading {
        codec: Codec::None,
        metrics: Bytes::copy_from_slice(metrics),
        bytes_max: metrics.len(),
        labels: String::new(),
        before: Arc::default(),
        samples_bytes_max: usize::MAX,
    };
    decode_push(&reading).ok().map(|(samples, _)| samples.iter().count())
}

/// Calls `each` with every message that stands in the field of this number.
fn parts<'a>(
    mut message: &'a [u8],
    field: u32,
    mut each: impl FnMut(&'a [u8]) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    while message.has_remaining() {
        let (number, wire_type) = decode_key(&mut message)?;
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, number, &mut message, DecodeContext::default())?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut message)?).map_err(|_| Unreadable)?;
        let (part, rest) = message.split_at_checked(length).ok_or(Unreadable)?;
        message = rest;
        if number == field {
            each(part)?;
        }
    }
    Ok(())
}

fn add_metric(merging: &mut Merging<'_>, labels: &str, metric: Metric) {
    let name = shown_name(&metric.name);
    let mut add = |suffix: &str, attributes: &[KeyValue], kind, value: f64| {
        let mut labels = labels.to_owned();
        add_labels(&mut labels, attributes);
        let name = format!("{name}{suffix}");
        match name.len() + labels.len() <= TEXT_BYTES_MAX {
            true => merging.add(name, labels, kind, value),
            false => merging.dropped += 1,
        }
    };
    // A histogram becomes its count and its sum.
    let mut whole = |attributes: &[KeyValue], temporality, count: u64, sum: Option<f64>| {
        add("_count", attributes, (SampleKind::Counter, temporality), count as f64);
        if let Some(sum) = sum {
            add("_sum", attributes, (SampleKind::Counter, temporality), sum);
        }
    };
    match metric.data {
        Some(metric::Data::Gauge(gauge)) => {
            for point in gauge.data_points {
                add("", &point.attributes, (SampleKind::Gauge, Temporality::Cumulative), value_of(&point));
            }
        }
        Some(metric::Data::Sum(sum)) => {
            let (kind, suffix) = match sum.is_monotonic {
                true if metric.name.ends_with("total") => (SampleKind::Counter, ""),
                true => (SampleKind::Counter, "_total"),
                false => (SampleKind::Gauge, ""),
            };
            let temporality = temporality(sum.aggregation_temporality);
            for point in sum.data_points {
                add(suffix, &point.attributes, (kind, temporality), value_of(&point));
            }
        }
        Some(metric::Data::Histogram(histogram)) => {
            let temporality = temporality(histogram.aggregation_temporality);
            for point in histogram.data_points {
                whole(&point.attributes, temporality, point.count, point.sum);
            }
        }
        Some(metric::Data::ExponentialHistogram(histogram)) => {
            let temporality = temporality(histogram.aggregation_temporality);
            for point in histogram.data_points {
                whole(&point.attributes, temporality, point.count, point.sum);
            }
        }
        Some(metric::Data::Summary(summary)) => {
            for point in summary.data_points {
                whole(&point.attributes, Temporality::Cumulative, point.count, Some(point.sum));
            }
        }
        None => {}
    }
}

fn temporality(code: i32) -> Temporality {
    match code == AggregationTemporality::Delta as i32 {
        true => Temporality::Delta,
        false => Temporality::Cumulative,
    }
}

fn value_of(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => 0.0,
    }
}

/// As the exposition format has names.
fn plain(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn shown_name(name: &str) -> String {
    let plain = plain(name);
    if plain.starts_with(KAFKA_CLIENTS) { plain } else { format!("{OTHER_CLIENTS}{plain}") }
}

/// Attributes whose name is already a label are left out: a client must not change its own identity.
fn add_labels(labels: &mut String, attributes: &[KeyValue]) {
    for KeyValue { key, value, .. } in attributes {
        let mut name = plain(key);
        // Two underscores are the server's own, and a digit begins no name.
        if name.starts_with("__")
            || !name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        {
            name.insert_str(0, "attribute_");
        }
        let value = value.as_ref().and_then(value_text);
        if let Some(value) = value
            && !has_label(labels, &name)
            && labels.len() + name.len() + value.len() <= TEXT_BYTES_MAX
        {
            add_label(labels, &name, &value);
        }
    }
}

fn value_text(value: &AnyValue) -> Option<String> {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match value.value.as_ref()? {
        any_value::Value::StringValue(value) => text.write_str(value),
        any_value::Value::BoolValue(value) => write!(text, "{value}"),
        any_value::Value::IntValue(value) => write!(text, "{value}"),
        any_value::Value::DoubleValue(value) => write!(text, "{value}"),
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    use millrace_core::log::compression::compress;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, MetricsData, ResourceMetrics, ScopeMetrics, Sum,
    };

    fn attribute(key: &str, value: &str) -> KeyValue {
        let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
        KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
    }

    fn point(value: f64, attributes: &[KeyValue]) -> NumberDataPoint {
        NumberDataPoint {
            attributes: attributes.to_vec(),
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    fn gauge(name: &str, attributes: &[KeyValue]) -> Metric {
        let data = metric::Data::Gauge(Gauge { data_points: vec![point(1.5, attributes)] });
        Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
    }

    fn sum(name: &str, value: f64, is_monotonic: bool) -> Metric {
        let data = metric::Data::Sum(Sum {
            data_points: vec![point(value, &[])],
            aggregation_temporality: AggregationTemporality::Delta as i32,
            is_monotonic,
        });
        Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
    }

    fn histogram(name: &str) -> Metric {
        let point = HistogramDataPoint { count: 4, sum: Some(2.5), ..HistogramDataPoint::default() };
        let data = metric::Data::Histogram(Histogram {
            data_points: vec![point],
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
        });
        Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
    }

    fn push(resource: &[KeyValue], metrics: Vec<Metric>) -> Vec<u8> {
        let resource = Resource { attributes: resource.to_vec(), ..Resource::default() };
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let of_resource =
            ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() };
        MetricsData { resource_metrics: vec![of_resource] }.encode_to_vec()
    }

    fn reading(codec: Codec, metrics: &[u8]) -> Reading {
        Reading {
            codec,
            metrics: Bytes::copy_from_slice(metrics),
            bytes_max: 1 << 20,
            labels: "client_id=\"c\"".to_owned(),
            before: Arc::default(),
            samples_bytes_max: 1 << 20,
        }
    }

    fn shown(samples: &PushedSamples) -> Vec<String> {
        samples.iter().map(|(name, labels, sample)| format!("{name}{{{labels}}} {}", sample.value)).collect()
    }

    #[test]
    fn values_are_shown_by_name_and_labels() {
        let metrics = vec![
            gauge(
                "org.apache.kafka.a",
                &[attribute("topic", "t\"1"), attribute("__x", "y"), attribute("1", "2")],
            ),
            sum("org.apache.kafka.b", 3.0, true),
            sum("org.apache.kafka.c.total", 4.0, true),
            sum("org.apache.kafka.d", 5.0, false),
            histogram("org.apache.kafka.e"),
            // Neither a name nor a label of somebody else.
            gauge("millrace.up", &[attribute("client_id", "root"), attribute("client_rack", "other")]),
        ];
        let data = push(&[attribute("client_rack", "r"), attribute("client.id", "root")], metrics);
        let expected = [
            "client_millrace_up{client_id=\"c\",client_rack=\"r\"} 1.5",
            "org_apache_kafka_a{client_id=\"c\",client_rack=\"r\",topic=\"t\\\"1\",attribute___x=\"y\",attribute_1=\"2\"} 1.5",
            "org_apache_kafka_b_total{client_id=\"c\",client_rack=\"r\"} 3",
            "org_apache_kafka_c_total{client_id=\"c\",client_rack=\"r\"} 4",
            "org_apache_kafka_d{client_id=\"c\",client_rack=\"r\"} 5",
            "org_apache_kafka_e_count{client_id=\"c\",client_rack=\"r\"} 4",
            "org_apache_kafka_e_sum{client_id=\"c\",client_rack=\"r\"} 2.5",
        ];
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let (samples, dropped) = decode_push(&reading(codec, &compress(codec, &data).unwrap())).unwrap();
            assert_eq!((shown(&samples), dropped), (expected.map(str::to_owned).to_vec(), 0), "{codec:?}");
        }
    }

    #[test]
    fn what_a_client_pushed_before_counts_on() {
        let data = push(&[], vec![sum("org.apache.kafka.b", 3.0, true)]);
        let mut reading = reading(Codec::None, &data);
        for total in ["3", "6", "9"] {
            let (samples, _) = decode_push(&reading).unwrap();
            assert_eq!(shown(&samples), [format!("org_apache_kafka_b_total{{client_id=\"c\"}} {total}")]);
            reading.before = Arc::new(samples);
        }
    }

    #[test]
    fn what_is_no_otlp_is_refused_wherever_it_ends() {
        let data = push(&[attribute("client_rack", "r")], vec![gauge("org.apache.kafka.a", &[])]);
        for length in 1..data.len() {
            assert_eq!(decode_push(&reading(Codec::None, &data[..length])), Err(Unreadable), "{length}");
        }
        assert_eq!(decode_push(&reading(Codec::None, b"no protobuf")), Err(Unreadable));
        assert_eq!(decode_push(&reading(Codec::Zstd, &data)), Err(Unreadable));
    }

    #[test]
    fn what_is_too_much_is_refused_or_dropped() {
        let zeros = compress(Codec::Gzip, &vec![0; (1 << 20) + 1]).unwrap();
        assert_eq!(decode_push(&reading(Codec::Gzip, &zeros)), Err(Unreadable), "it inflates to too much");
        let long = "x".repeat(TEXT_BYTES_MAX);
        let data = push(
            &[attribute("a", &long)],
            vec![
                gauge(&long, &[]),
                gauge("org.apache.kafka.a", &[attribute("b", &"x".repeat(PART_BYTES_MAX))]),
                gauge("org.apache.kafka.a", &[]),
            ],
        );
        let (samples, dropped) = decode_push(&reading(Codec::None, &data)).unwrap();
        assert_eq!((shown(&samples).len(), dropped), (1, 2));
        let narrow = Reading { samples_bytes_max: 10, ..reading(Codec::None, &data) };
        assert_eq!(decode_push(&narrow).unwrap().1, 3);
    }
}
