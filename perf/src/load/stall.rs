//! A broker that stalls, and what the generator says of it:
//! no request that was meant for the stall goes uncounted.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a broker of the test's own")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use millrace_wire::messages::produce_response::ProduceResponse;
use millrace_wire::{ApiKey, encode_response_frame};

use super::{BatchShape, Group, Outcome, ProduceLoad, Quiet, Rate, Run, Span};
use crate::client::{Acks, Dialect};

const STALL: Duration = Duration::from_millis(200);
const STALLED_REQUEST: usize = 100;
const LENGTH: Duration = Duration::from_millis(500);
/// Where the correlation id stands behind the length.
const CORRELATION: std::ops::Range<usize> = 4..8;

/// Answers every produce request at once, but one.
fn stalling_broker() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        for request in 0.. {
            let mut length = [0; 4];
            if stream.read_exact(&mut length).is_err() {
                return;
            }
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut frame).unwrap();
            if request == STALLED_REQUEST {
                thread::sleep(STALL);
            }
            let correlation = i32::from_be_bytes(frame[CORRELATION].try_into().unwrap());
            let version = Dialect::NEWEST.produce;
            let form = ApiKey::Produce.response_header_form(version);
            let answer = encode_response_frame(correlation, form, |writer| {
                ProduceResponse::default().encode(writer, version)
            });
            stream.write_all(&answer.unwrap().concat()).unwrap();
        }
    });
    address
}

fn load(rate: Rate) -> Outcome {
    let load = ProduceLoad {
        topic: "t",
        dialect: Dialect::NEWEST,
        shape: BatchShape { value_bytes: 10, records: 1 },
        partitions_each: 1,
        acks: Acks::All,
        in_flight: 1,
        rate,
    };
    let group = Group::producers(&load, &[stalling_broker()], 1, 1).unwrap();
    let span = Span { warm_up: Duration::ZERO, length: LENGTH };
    Run { groups: vec![group], span, process: None }.measure(&mut Quiet).unwrap()
}

#[test]
fn what_was_meant_for_a_stall_counts_from_its_intended_moment() {
    let outcome = load(Rate::RecordsPerSecond(1000.0));
    let tally = &outcome.tallies[0];
    // One a millisecond, each of them once: the stall swallows none.
    assert_eq!((tally.latencies.count(), tally.unanswered), (500, 0));
    assert!(tally.latencies.max() >= STALL);
    // Two hundred were meant for the stall, and waited from nothing to all of it: more than a tenth of all
    // waited for more than half of it. A generator that measures from the sending on would say so of one
    // alone.
    assert!(tally.latencies.at(0.85) >= STALL / 3, "{:?}", tally.latencies.at(0.85));
    assert!(tally.lags.at(0.85) >= STALL / 3, "{:?}", tally.lags.at(0.85));
}

#[test]
fn at_maximum_rate_a_stall_is_one_latency() {
    let outcome = load(Rate::Maximum);
    let tally = &outcome.tallies[0];
    assert!(tally.latencies.max() >= STALL);
    assert_eq!(tally.lags.max(), Duration::ZERO);
    assert!((outcome.seconds - LENGTH.as_secs_f64()).abs() < 0.01, "{}", outcome.seconds);
}
