//! The table of served APIs: what is dispatched is what ApiVersions advertises.

use std::ops::RangeInclusive;

use millrace_wire::ApiKey;

use crate::api::call::{Call, Handling};
use crate::api::{
    api_versions, create_topics, delete_topics, describe_cluster, describe_configs, fetch, find_coordinator,
    init_producer_id, list_offsets, metadata, offset_for_leader_epoch, produce,
};

/// When a request of a connection may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// As soon as the one before it has been admitted; its answer waits in the queue.
    Pipelined,
    /// When every earlier request has been answered.
    Alone,
}

/// One served API.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) versions: RangeInclusive<i16>,
    /// The lowest version that ApiVersions names.
    pub(crate) advertised_from: i16,
    pub(crate) turn: Turn,
    pub(crate) handle: fn(Call) -> Handling,
}

/// A handler as a table entry.
macro_rules! api {
    ($key:ident $versions:expr, $turn:ident, $module:ident) => {
        api!($key $versions, $turn, $module, advertised_from *$versions.start())
    };
    ($key:ident $versions:expr, $turn:ident, $module:ident, advertised_from $from:expr) => {
        Api {
            key: ApiKey::$key,
            versions: $versions,
            advertised_from: $from,
            turn: Turn::$turn,
            handle: |call| Box::pin($module::handle(call)),
        }
    };
}

/// Every served API by key.
///
/// Produce is advertised from 0, though 0-2 are refused: librdkafka turns compression off where 0 is missing.
/// InitProducerId 6 is unstable in Kafka 4.3 and so not served.
pub(crate) const APIS: &[Api] = &[
    api!(Produce 3..=13, Pipelined, produce, advertised_from 0),
    api!(Fetch 4..=18, Alone, fetch),
    api!(ListOffsets 1..=11, Alone, list_offsets),
    api!(Metadata 0..=13, Alone, metadata),
    api!(FindCoordinator 0..=6, Alone, find_coordinator),
    api!(ApiVersions 0..=4, Alone, api_versions),
    api!(CreateTopics 2..=7, Alone, create_topics),
    api!(DeleteTopics 1..=6, Alone, delete_topics),
    api!(InitProducerId 0..=5, Alone, init_producer_id),
    api!(OffsetForLeaderEpoch 2..=4, Alone, offset_for_leader_epoch),
    api!(DescribeConfigs 1..=4, Alone, describe_configs),
    api!(DescribeCluster 0..=2, Alone, describe_cluster),
];

/// What becomes of a request by its key and version.
pub(crate) enum Dispatch {
    Serve(&'static Api),
    /// ApiVersions of a version that is not served: answered all the same, so that the client can choose another.
    AnswerVersions,
    /// The connection closes.
    Refuse,
}

pub(crate) fn dispatch(key: ApiKey, version: i16) -> Dispatch {
    match APIS.iter().find(|api| api.key == key) {
        Some(api) if api.versions.contains(&version) => Dispatch::Serve(api),
        Some(api) if api.key == ApiKey::ApiVersions => Dispatch::AnswerVersions,
        _ => Dispatch::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// protocol.md's table, for the APIs that are served.
    const SERVED: &str = "
        0 Produce 3-13 from 0
        1 Fetch 4-18 from 4
        2 ListOffsets 1-11 from 1
        3 Metadata 0-13 from 0
        10 FindCoordinator 0-6 from 0
        18 ApiVersions 0-4 from 0
        19 CreateTopics 2-7 from 2
        20 DeleteTopics 1-6 from 1
        22 InitProducerId 0-5 from 0
        23 OffsetForLeaderEpoch 2-4 from 2
        32 DescribeConfigs 1-4 from 1
        60 DescribeCluster 0-2 from 0";

    #[test]
    fn the_table_serves_what_the_protocol_says() {
        let lines = APIS.iter().map(|api| {
            let (first, last) = (api.versions.start(), api.versions.end());
            format!("{} {:?} {first}-{last} from {}", api.key.code(), api.key, api.advertised_from)
        });
        let expected: Vec<&str> = SERVED.trim().lines().map(str::trim).collect();
        assert_eq!(lines.collect::<Vec<_>>(), expected);
        assert!(APIS.is_sorted_by_key(|api| api.key.code()));
    }

    #[test]
    fn what_is_not_served_is_refused() {
        let verdict = |key, version| match dispatch(key, version) {
            Dispatch::Serve(_) => "serve",
            Dispatch::AnswerVersions => "answer",
            Dispatch::Refuse => "refuse",
        };
        for (key, version, expected) in [
            (ApiKey::Produce, 2, "refuse"),
            (ApiKey::Produce, 3, "serve"),
            (ApiKey::Produce, 14, "refuse"),
            (ApiKey::ApiVersions, 4, "serve"),
            (ApiKey::ApiVersions, 5, "answer"),
            (ApiKey::ApiVersions, -1, "answer"),
            (ApiKey::InitProducerId, 6, "refuse"),
            (ApiKey::Vote, 0, "refuse"),
        ] {
            assert_eq!(verdict(key, version), expected, "{key:?} version {version}");
        }
    }
}
