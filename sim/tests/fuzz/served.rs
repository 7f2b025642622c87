//! Each version of each API that ApiVersions names has golden bytes of Kafka's own classes in both
//! directions, a case of parity with Kafka's recorded answer, and a seed of the fuzz targets.
#![expect(clippy::disallowed_methods, reason = "the test reads the repository's golden files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use millrace_server::served_apis;
use millrace_sim::fuzz;

/// API key and version.
type Served = (i16, i16);

/// Key and version in a frame's first bytes.
fn asked(frame: &[u8]) -> Option<Served> {
    let key = *frame.first_chunk::<2>()?;
    let version = *frame.get(2..)?.first_chunk::<2>()?;
    Some((i16::from_be_bytes(key), i16::from_be_bytes(version)))
}

fn advertised() -> BTreeSet<Served> {
    let versions = |api: &millrace_server::ServedApi| {
        let key = api.key;
        (api.advertised_from..=*api.versions.end()).map(move |version| (key, version)).collect::<Vec<_>>()
    };
    served_apis().iter().flat_map(versions).collect()
}

/// What `has` lacks of what is advertised.
fn missing(has: &BTreeSet<Served>) -> Vec<Served> {
    let advertised = advertised();
    assert!(advertised.len() > 150, "{} versions are advertised", advertised.len());
    advertised.difference(has).copied().collect()
}

/// Versions that Kafka's own classes know; Produce is advertised from 0, which nobody can encode any more.
#[test]
fn every_advertised_version_has_golden_bytes_both_ways() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../net/wire/tests/golden");
    let mut lines = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        for line in fs::read_to_string(file.path()).unwrap().lines() {
            let mut words = line.split(' ');
            if let (Some(name), Some(version)) = (words.next(), words.next()) {
                lines.insert(format!("{name} {version}"));
            }
        }
    }
    let mut wanted = 0;
    for api in served_apis() {
        for version in api.advertised_from.max(*api.of_kafka.start())..=*api.versions.end() {
            for direction in ["Request", "Response"] {
                let line = format!("{}{direction} {version}", api.name);
                assert!(lines.contains(&line), "net/wire/tests/golden has no {line}");
                wanted += 1;
            }
        }
    }
    assert!(wanted > 2 * 150, "{wanted} messages are advertised");
}

#[test]
fn every_advertised_version_has_a_parity_case() {
    let seeds = millrace_parity::seeds().unwrap();
    let has = seeds.iter().filter_map(|seed| asked(&seed.frame)).collect();
    assert_eq!(missing(&has), [], "clients/parity/cases lack these keys and versions");
}

#[test]
fn every_advertised_version_has_a_fuzz_seed() {
    let has = fuzz::find("requests").unwrap().examples().iter().filter_map(|frame| asked(frame)).collect();
    assert_eq!(missing(&has), [], "no seed of the target `requests` has these keys and versions");
}
