//! Bytes written by Kafka's own classes are read, and written again to the same bytes.

use crate::support;
use millrace_wire::ApiKey;
use std::collections::BTreeSet;

#[test]
fn golden_bytes_round_trip() {
    let mut seen = BTreeSet::new();
    for case in support::golden() {
        let label = format!("{} version {} {}", case.message, case.version, case.filling);
        let trip = support::round_trip(&case.message, &case.frame, case.version)
            .unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(trip.trailing, 0, "{label}");
        assert_eq!(trip.encoded.as_deref(), Ok(&case.frame[..]), "{label}: {}", trip.text);
        seen.insert((case.message, case.version));
    }
    for api in ApiKey::ALL {
        for kind in ["Request", "Response"] {
            let message = format!("{}{kind}", api.name());
            let versions: Vec<i16> =
                seen.iter().filter(|(name, _)| *name == message).map(|(_, version)| *version).collect();
            let all: Vec<i16> = (api.min_version()..=api.max_version()).collect();
            assert!(versions.is_empty() || versions == all, "{message}: {versions:?} of {all:?}");
        }
    }
    assert_eq!(seen.len(), 406, "versions of requests, responses and headers");
}
