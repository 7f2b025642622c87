//! How large requests and responses may be: shares of the memory that a shard has for requests.

use millrace_core::base::config::BrokerConfig;
use millrace_shard::{PARTS, SERVER_PARTS};
use millrace_wire::ApiKey;

use crate::conn::room::BLOCK_BYTES_MIN;
use crate::telemetry::ClientMetrics;

/// The least that a shard grants to requests: a few of Kafka's default largest ones (1 MiB).
const REQUEST_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// The share of the memory for requests that one request may have which is no produce request. Its lists take
/// many times their bytes while it is decoded, carried out and answered (a hundred times,
/// for names of groups that do not exist).
const CONTROL_SHARE: u64 = 64;

/// The smallest such share names ten thousand partitions.
const CONTROL_BYTES_MIN: u64 = 512 * 1024;

/// The largest such share, however much memory there is: a list is decoded, and its response encoded, in one
/// turn of the shard, which takes a millisecond or two for a mebibyte.
/// It names a hundred thousand partitions.
const CONTROL_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The same for what members of a group tell each other, and for metrics. Both are taken as bytes.
const MEMBERS_SHARE: u64 = 8;

/// The largest such share: what a group keeps of it has to fit into a batch of the offsets topic,
/// by default a mebibyte.
const MEMBERS_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The part of a push of metrics that is not metrics: its header, with the client's id.
const PUSH_HEADER_BYTES: usize = 64 * 1024;

/// What a setting with its synonyms takes of the memory for requests while it is described.
const DESCRIBED_ENTRY_BYTES: u64 = 256;

/// The bounds of one shard. They never change.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestBounds {
    /// The memory for requests.
    memory_bytes: u64,
    frame_bytes_max: usize,
    control_bytes_max: usize,
    members_bytes_max: usize,
}

impl RequestBounds {
    /// The bounds of each of `shards` shards that share `memory_bytes` of the process.
    pub(super) fn new(config: &BrokerConfig, memory_bytes: u64, shards: u64) -> RequestBounds {
        let request_bytes = memory_bytes * SERVER_PARTS / PARTS - ClientMetrics::memory_of(memory_bytes);
        let request_bytes = (request_bytes / shards).max(REQUEST_BYTES_MIN);
        let frame_bytes_max = u64::try_from(config.socket_request_max_bytes()).unwrap_or(0);
        // A frame that is grown needs the old and the new memory; half of the budget always fits.
        let frame_bytes_max = frame_bytes_max.min(request_bytes / 2) as usize;
        let share =
            |part: u64, bytes_max: u64| (request_bytes / part).clamp(CONTROL_BYTES_MIN, bytes_max) as usize;
        RequestBounds {
            memory_bytes: request_bytes,
            frame_bytes_max: frame_bytes_max.max(BLOCK_BYTES_MIN),
            control_bytes_max: share(CONTROL_SHARE, CONTROL_BYTES_MAX),
            members_bytes_max: share(MEMBERS_SHARE, MEMBERS_BYTES_MAX),
        }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// The longest request, without its length.
    pub(super) fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    /// The longest request of this API, header included.
    pub(super) fn request_bytes_max(&self, api: ApiKey) -> usize {
        match api {
            ApiKey::Produce => self.frame_bytes_max,
            ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::PushTelemetry => self.members_bytes_max,
            _ => self.control_bytes_max,
        }
    }

    /// The most bytes of metrics in one push. There is room besides for what stands around them.
    pub(super) fn telemetry_bytes_max(&self, config: &BrokerConfig) -> usize {
        let wanted = usize::try_from(config.telemetry_max_bytes()).unwrap_or(0);
        wanted.min(self.members_bytes_max - PUSH_HEADER_BYTES)
    }

    /// The number of settings that one response may describe.
    pub(super) fn described_entries_max(&self) -> usize {
        (self.memory_bytes / DESCRIBED_ENTRY_BYTES) as usize
    }

    /// The most bytes that one response may have about groups or partitions. A request may name one again and
    /// again, in a few bytes each time.
    pub(super) fn described_bytes_max(&self) -> usize {
        self.memory_bytes as usize
    }
}
