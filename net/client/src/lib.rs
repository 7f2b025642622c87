//! A client of Kafka's protocol for tools: frames encoded ahead, blocking sockets,
//! one request at a time or many in flight.
#![forbid(unsafe_code)]

mod address;
mod brokers;
mod clock;
mod cluster;
mod configs;
mod connection;
mod dialect;
mod failure;
mod frame;
mod group_requests;
mod groups;
mod inbox;
mod leaders;
mod member;
mod membership;
mod metadata;
mod offsets;
mod peer;
mod place;
mod quotas;
mod records;
mod refusal;
mod topics;
mod versions;

pub use address::resolve;
pub use brokers::{ClusterView, LogDirectory, StoredLog};
pub use cluster::Cluster;
pub use configs::{Resource, Setting, SettingChange, SettingOperation, SettingSource};
pub use connection::Connection;
pub use dialect::{Dialect, VersionRange};
pub use failure::Failure;
pub use frame::{Frame, START_BYTES, read_answer};
pub use group_requests::ListedGroup;
pub use groups::{Group, GroupMember};
pub use inbox::{Arrival, Inbox};
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
pub use versions::{answers_versions, introduce};
