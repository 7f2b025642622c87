//! Clients that make up instance after instance, and push as many metrics for each as a push may hold: real ones, and such
//! that take far more memory when they are read than they are long.

use std::io::Write;
use std::time::Duration;

use super::frames::Frame;
use super::honest::{Attack, beside, broker};
use super::peer::Peer;
use crate::clock;
use crate::failure::Failure;
use crate::suite::Rig;

const PUSH_TELEMETRY: (i16, i16) = (72, 0);
/// What is wanted where there is no subscription: nothing, every five minutes.
const NOTHING_WANTED: &[u8] = b"[]300000";
/// Just below what a push may be, inflated.
const PUSH_BYTES: usize = 1_000_000;
/// Of one metric: below that the broker reads it as a whole.
const METRIC_BYTES: usize = 30_000;
/// Between two pushes.
const PAUSE: Duration = Duration::from_millis(2);
const GZIP: u8 = 1;

// Fields of OTLP's messages.
const GAUGE: u8 = 5;
const EXPONENTIAL_HISTOGRAM: u8 = 10;
const METRICS: u8 = 2;
const SCOPE_METRICS: u8 = 2;
const RESOURCE_METRICS: u8 = 1;

pub(super) fn take(rig: &mut Rig) -> Result<(), Failure> {
    let broker = broker(rig, "pushes")?;
    let pushes = [many_values(), nothings(GAUGE), nothings(EXPONENTIAL_HISTOGRAM)];
    let packed: Result<Vec<Vec<u8>>, Failure> = pushes.iter().map(|push| pack(push)).collect();
    let packed = packed?;
    let peers = format!("pushes of {PUSH_BYTES} bytes of metrics, each of another client");
    beside(rig, broker, &peers, &|attack| push(attack, &packed))
}

fn push(attack: &Attack, pushes: &[Vec<u8>]) -> Result<(), Failure> {
    attack.begins();
    let mut peer = Peer::open(attack.address)?;
    for (number, metrics) in pushes.iter().cycle().enumerate() {
        peer.send(&frame(number as u128 + (1 << 64), metrics));
        attack.note(peer.reaction());
        clock::sleep(PAUSE);
        if !attack.goes_on() {
            break;
        }
    }
    Ok(())
}

/// A push of an instance that never asked: the id of its subscription follows from what is wanted.
fn frame(instance: u128, metrics: &[u8]) -> Vec<u8> {
    let halves = (instance >> 64) as u64 ^ instance as u64;
    let subscription = crc32c::crc32c(NOTHING_WANTED) ^ (halves >> 32) as u32 ^ halves as u32;
    let mut frame = Frame::of(PUSH_TELEMETRY);
    frame.byte(0).long((instance >> 64) as i64).long(instance as i64).number(subscription as i32);
    frame.byte(0).byte(GZIP);
    let mut length = Vec::new();
    put_varint(&mut length, metrics.len() + 1);
    for byte in length.iter().chain(metrics) {
        frame.byte(*byte);
    }
    frame.byte(0);
    frame.finish()
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
    put_varint(&mut bytes, body.len());
    bytes.extend_from_slice(body);
    bytes
}

fn put_varint(out: &mut Vec<u8>, mut rest: usize) {
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn pack(push: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(push).and_then(|()| gzip.finish()).map_err(Failure::io("compressing metrics"))
}
