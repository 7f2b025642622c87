//! Clients that make up instance after instance, and push as many metrics for each as a push may hold: real
//! ones, and such that take far more memory when they are read than they are long.

use std::io::Write;
use std::time::Duration;

use millrace_codec::varint::put_u64;
use millrace_wire::messages::push_telemetry_request::PushTelemetryRequest;
use millrace_wire::{ApiKey, Uuid};

use super::honest::{Attack, beside, broker};
use super::peer::Peer;
use crate::client::Frame;
use crate::clock;
use crate::error::ClientError;
use crate::suite::Rig;

/// Version that is sent.
const PUSH_TELEMETRY: i16 = 0;
/// What is wanted where there is no subscription: nothing, every five minutes.
const NOTHING_WANTED: &[u8] = b"[]300000";
/// Just below what a push may be, inflated.
const PUSH_BYTES: usize = 1_000_000;
/// Of one metric: below that the broker reads it as a whole.
const METRIC_BYTES: usize = 30_000;
/// Between two pushes.
const PAUSE: Duration = Duration::from_millis(2);
const GZIP: i8 = 1;

// Fields of OTLP's messages.
const GAUGE: u8 = 5;
const EXPONENTIAL_HISTOGRAM: u8 = 10;
const METRICS: u8 = 2;
const SCOPE_METRICS: u8 = 2;
const RESOURCE_METRICS: u8 = 1;

pub(super) fn take(rig: &mut Rig) -> Result<(), ClientError> {
    let broker = broker(rig, "pushes")?;
    let pushes = [many_values(), nothings(GAUGE), nothings(EXPONENTIAL_HISTOGRAM)];
    let packed: Result<Vec<Vec<u8>>, ClientError> = pushes.iter().map(|push| pack(push)).collect();
    let packed = packed?;
    let peers = format!("pushes of {PUSH_BYTES} bytes of metrics, each of another client");
    beside(rig, broker, &peers, &|attack| push(attack, &packed))
}

fn push(attack: &Attack, pushes: &[Vec<u8>]) -> Result<(), ClientError> {
    attack.begins();
    let mut peer = Peer::open(attack.address)?;
    for (number, metrics) in pushes.iter().cycle().enumerate() {
        peer.send(&frame(number as u128 + (1 << 64), metrics)?);
        attack.note(peer.reaction());
        clock::sleep(PAUSE);
        if !attack.goes_on() {
            break;
        }
    }
    Ok(())
}

/// A push of an instance that never asked: the id of its subscription follows from what is wanted.
fn frame(instance: u128, metrics: &[u8]) -> Result<Vec<u8>, ClientError> {
    let halves = (instance >> 64) as u64 ^ instance as u64;
    let subscription = crc32c::crc32c(NOTHING_WANTED) ^ (halves >> 32) as u32 ^ halves as u32;
    let request = PushTelemetryRequest {
        client_instance_id: Uuid(instance.to_be_bytes()),
        subscription_id: subscription as i32,
        compression_type: GZIP,
        metrics: metrics.into(),
        ..PushTelemetryRequest::default()
    };
    let frame =
        Frame::new(ApiKey::PushTelemetry, PUSH_TELEMETRY, |writer| request.encode(writer, PUSH_TELEMETRY))?;
    Ok(frame.to_bytes())
}

/// Values that all are kept as long as there is room.
fn many_values() -> Vec<u8> {
    let mut metrics = Vec::new();
    for number in 0.. {
        // A gauge of one point, which is 1.
        let name = message(1, format!("org.apache.kafka.made.up.{number}").as_bytes());
        let point = [&[4 << 3 | 1][..], &1f64.to_le_bytes()].concat();
        let metric = [name, message(GAUGE, &message(1, &point))].concat();
        metrics.extend(message(METRICS, &metric));
        if metrics.len() >= PUSH_BYTES {
            break;
        }
    }
    around(&metrics)
}

/// Points without anything, of two bytes each.
fn nothings(kind: u8) -> Vec<u8> {
    let points = message(1, &[]).repeat(METRIC_BYTES / 2);
    let metric = message(METRICS, &message(kind, &points));
    around(&metric.repeat(PUSH_BYTES / METRIC_BYTES))
}

fn around(metrics: &[u8]) -> Vec<u8> {
    message(RESOURCE_METRICS, &message(SCOPE_METRICS, metrics))
}

fn message(field: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    put_u64(&mut bytes, body.len() as u64);
    bytes.extend_from_slice(body);
    bytes
}

fn pack(push: &[u8]) -> Result<Vec<u8>, ClientError> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(push).and_then(|()| gzip.finish()).map_err(ClientError::io("compressing metrics"))
}
