//! Which version of each request a broker is sent: the newest that the tool writes and the broker reads.

use std::ops::RangeInclusive;

use millrace_wire::ApiKey;
use millrace_wire::messages::create_topics_request::CreateTopicsRequest;
use millrace_wire::messages::delete_topics_request::DeleteTopicsRequest;
use millrace_wire::messages::fetch_request::FetchRequest;
use millrace_wire::messages::list_offsets_request::ListOffsetsRequest;
use millrace_wire::messages::metadata_request::MetadataRequest;
use millrace_wire::messages::produce_request::ProduceRequest;

use crate::error::ClientError;

/// Versions of the requests that the tool sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    pub produce: i16,
    pub fetch: i16,
    pub list_offsets: i16,
    pub metadata: i16,
    pub create_topics: i16,
    pub delete_topics: i16,
}

/// What a broker reads of one request.
#[derive(Debug, Clone, Copy)]
pub struct VersionRange {
    pub api: i16,
    pub least: i16,
    pub most: i16,
}

impl Dialect {
    /// For produce and fetch the last versions that name topics by name.
    pub const NEWEST: Dialect =
        Dialect { produce: 12, fetch: 12, list_offsets: 6, metadata: 9, create_topics: 5, delete_topics: 4 };

    /// The newest versions that a broker with these ranges reads.
    pub fn within(ranges: &[VersionRange]) -> Result<Dialect, ClientError> {
        let pick = |api, ours| newest_common(ranges, api, ours);
        let newest = Dialect::NEWEST;
        Ok(Dialect {
            produce: pick(ApiKey::Produce, ProduceRequest::MIN_VERSION..=newest.produce)?,
            fetch: pick(ApiKey::Fetch, FetchRequest::MIN_VERSION..=newest.fetch)?,
            list_offsets: pick(ApiKey::ListOffsets, ListOffsetsRequest::MIN_VERSION..=newest.list_offsets)?,
            metadata: pick(ApiKey::Metadata, MetadataRequest::MIN_VERSION..=newest.metadata)?,
            create_topics: pick(
                ApiKey::CreateTopics,
                CreateTopicsRequest::MIN_VERSION..=newest.create_topics,
            )?,
            delete_topics: pick(
                ApiKey::DeleteTopics,
                DeleteTopicsRequest::MIN_VERSION..=newest.delete_topics,
            )?,
        })
    }
}

/// The newest version of `ours` that the broker reads: ours begin with what the codec writes at least, and
/// end with the newest that the tool knows how to fill in.
pub(crate) fn newest_common(
    ranges: &[VersionRange],
    api: ApiKey,
    ours: RangeInclusive<i16>,
) -> Result<i16, ClientError> {
    let range = ranges.iter().find(|range| range.api == api.code());
    let spoken = range.map(|range| (range.least, range.most.min(*ours.end())));
    let spoken = spoken.filter(|(least, most)| least <= most && ours.contains(most));
    let refused = || ClientError::Broker(format!("the broker reads no version of {api:?} in {ours:?}"));
    spoken.map(|(_, most)| most).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(produce: (i16, i16)) -> Vec<VersionRange> {
        let range =
            |(api, (least, most)): (ApiKey, (i16, i16))| VersionRange { api: api.code(), least, most };
        let others = [
            ApiKey::Fetch,
            ApiKey::ListOffsets,
            ApiKey::Metadata,
            ApiKey::CreateTopics,
            ApiKey::DeleteTopics,
        ];
        let others = others.into_iter().map(|api| (api, (4, 4)));
        others.chain([(ApiKey::Produce, produce)]).map(range).collect()
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        for (broker, spoken) in [((0, 7), Some(7)), ((3, 20), Some(12)), ((13, 14), None), ((0, 1), None)] {
            let dialect = Dialect::within(&ranges(broker)).ok();
            assert_eq!(dialect.map(|dialect| dialect.produce), spoken, "{broker:?}");
        }
        assert!(Dialect::within(&ranges((0, 9))[1..]).is_err());
    }
}
