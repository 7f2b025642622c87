//! A client of Kafka's protocol for tools: frames encoded ahead, blocking sockets,
//! one request at a time or many in flight.
#![forbid(unsafe_code)]

mod brokers;
mod clock;
mod cluster;
mod configs;
mod error;
mod groups;
mod leaders;
mod member;
mod membership;
mod metadata;
mod offsets;
mod place;
mod quotas;
mod records;
mod refusal;
mod topics;
mod transport;

pub use brokers::{ClusterView, LogDirectory, StoredLog};
pub use cluster::Cluster;
pub use configs::{Resource, Setting, SettingChange, SettingOperation, SettingSource};
pub use error::ClientError;
pub use groups::{Group, GroupMember, ListedGroup};
pub use leaders::Answers;
pub use member::{AssignmentId, Commits, GroupSettings, Notice};
pub use membership::{Membership, Stopper};
pub use metadata::{Node, Partition, Topic};
pub use millrace_wire::ErrorCode;
pub use offsets::LogOffset;
pub use place::Place;
pub use quotas::{EntityQuotas, QuotaEntity};
pub use records::{Acks, FetchLimits, Fetched};
pub use refusal::Refusal;
pub use topics::{CreatedTopic, Effect, NewTopic, TopicAnswers, creation};
pub use transport::{
    Arrival, Connection, Dialect, Frame, Inbox, START_BYTES, VersionRange, answers_versions, introduce,
    read_answer, resolve,
};
